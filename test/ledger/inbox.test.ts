import { mkdir, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listInbox, putIntent, readInbox, removeIntent, setAside, watchInbox } from '../../controller/ledger/inbox.ts';
import { NOW, scratch } from './scratch.ts';

const intent = (id: string) => ({ id, operation: 'submit', input: { tasks: [1, 'あ'] }, by: 'me', at: NOW });

describe('the inbox', () => {
  test('holds what was handed in, also with nobody there to take it, in the order of the ids', async () => {
    const folder = await scratch();
    await putIntent(folder, intent('00000002'));
    await putIntent(folder, intent('00000001'));
    const waiting = await readInbox(folder);
    expect(waiting).toMatchObject([
      { is: 'intent', intent: intent('00000001') },
      { is: 'intent', intent: intent('00000002') },
    ]);
    expect(await readInbox(folder)).toEqual(waiting);
    for (const { file } of waiting) await removeIntent(file);
    expect(await listInbox(folder)).toEqual([]);
  });

  test('is nobody else’s business: folders 0700, files 0600, nothing left aside', async () => {
    const folder = join(await scratch(), 'state');
    await putIntent(folder, intent('00000001'));
    const mode = async (...path: string[]) => ((await stat(join(folder, ...path))).mode & 0o777).toString(8);
    expect([await mode(), await mode('inbox'), await mode('tmp'), await mode('inbox', '00000001.json')]).toEqual([
      '700',
      '700',
      '700',
      '600',
    ]);
    expect(await readdir(join(folder, 'tmp'))).toEqual([]);
  });

  test('is empty where there is none', async () => {
    expect(await readInbox(join(await scratch(), 'nowhere'))).toEqual([]);
  });

  test('shows nothing that is half written', async () => {
    const folder = await scratch();
    await mkdir(join(folder, 'tmp'), { recursive: true });
    await mkdir(join(folder, 'inbox'), { recursive: true });
    await writeFile(join(folder, 'tmp', '00000001.json'), '{"id":"0000');
    await writeFile(join(folder, 'inbox', '00000001.json.swp'), '{}');
    expect(await readInbox(folder)).toEqual([]);
  });

  test.each<[string, string]>([
    ['no JSON', 'hello'],
    ['a torn file', '{"id":"00000001","operation":"sub'],
    ['no object', '[]'],
    ['an id that could be a path', '{"id":"../../x","operation":"o","input":{},"by":"b","at":1}'],
    ['a field that is missing', '{"id":"00000001","operation":"o","input":{},"by":"b"}'],
  ])('refuses %s with the reason, keeps it for a person, and goes on', async (_, text) => {
    const folder = await scratch();
    await putIntent(folder, intent('00000009'));
    await writeFile(join(folder, 'inbox', '00000001.json'), text);
    const [bad, good] = await readInbox(folder);
    expect(good).toMatchObject({ is: 'intent' });
    if (bad?.is !== 'refused') throw new Error('it was taken');
    expect(bad.reason).not.toBe('');
    await setAside(folder, bad.file);
    expect(await readdir(join(folder, 'refused'))).toEqual(['00000001.json']);
    expect(await listInbox(folder)).toEqual(['00000009.json']);
  });

  test('refuses what is larger than 64 MiB without reading it', async () => {
    const folder = await scratch();
    await putIntent(folder, intent('00000001'));
    await truncate(join(folder, 'inbox', '00000001.json'), 64 * 1024 * 1024 + 1);
    expect(await readInbox(folder)).toMatchObject([{ is: 'refused', reason: expect.stringContaining('larger') }]);
  });

  test('is taken in portions of 200', async () => {
    const folder = await scratch();
    await putIntent(folder, intent('00000000'));
    for (let index = 1; index <= 250; index += 1) {
      const id = String(index).padStart(8, '0');
      await writeFile(join(folder, 'inbox', `${id}.json`), JSON.stringify(intent(id)));
    }
    expect(await readInbox(folder)).toHaveLength(200);
  });

  test('rings when something comes in', async () => {
    const folder = await scratch();
    let rings = 0;
    const watcher = await watchInbox(folder, () => {
      rings += 1;
    });
    await putIntent(folder, intent('00000001'));
    await expect.poll(() => rings, { timeout: 5000 }).toBeGreaterThan(0);
    watcher.close();
  });

  test('is left to the scan where the system has no watch to give, and nothing else is passed over', async () => {
    const folder = await scratch();
    const refusing = (code: string) => () => {
      throw Object.assign(new Error(`${code}: too many`), { code });
    };
    const watcher = await watchInbox(folder, () => {}, refusing('EMFILE'));
    watcher.close();
    await expect(watchInbox(folder, () => {}, refusing('EACCES'))).rejects.toThrow('EACCES');
  });
});
