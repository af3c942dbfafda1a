import { describe, expect, it } from 'vitest';
import { judgePreview, type Preview } from '../../infra/gate.ts';
import { parseSettings } from '../../infra/settings/parse.ts';
import type { Settings } from '../../infra/settings/schema.ts';
import { aMachine, someSettings } from './builders.ts';

const ID = 'i-0123456789abcdef0';
const TYPE = 'aws:ec2/instance:Instance';
const urnOf = (name: string, type = TYPE) => `urn:pulumi:phase1::miyabi-fleet::${type}::${name}`;

const settingsWith = (over: object): Settings => {
  const { settings } = parseSettings(someSettings({ groups: [], adopted: [aMachine()], ...over }));
  if (settings === undefined) throw new Error('the builder makes settings that are right');
  return settings;
};
const GUARDED = { protect: true, retainOnDelete: true, ignoreChanges: ['*'], importID: ID, id: ID };
const aStep = (op: string, after: object | undefined, name = 'MUGEN', type = TYPE): Preview['steps'][number] => {
  const urn = urnOf(name, type);
  const oldState = { urn, type, id: ID };
  return { op, urn, oldState, ...(after === undefined ? {} : { newState: { urn, type, ...after } }) };
};
const judge = (
  steps: Preview['steps'],
  {
    over = {},
    mayRemove = false,
    monthlyUsd = 100,
  }: { over?: object; mayRemove?: boolean; monthlyUsd?: number | null } = {},
) => judgePreview({ steps }, settingsWith(over), { mayRemove, monthlyUsd });

describe('the gate of a pull request', () => {
  it.each(['same', 'import', 'refresh'])('lets %s of a guarded machine through', (op) => {
    expect(judge([aStep(op, GUARDED)])).toEqual([]);
  });

  it.each(['delete', 'replace', 'create-replacement', 'delete-replaced', 'discard-replaced', 'update', 'create'])(
    'refuses %s of an adopted machine, agreed to or not',
    (op) => {
      expect(judge([aStep(op, GUARDED)], { mayRemove: true })).toEqual([
        `MUGEN: would be ${op}d; an adopted machine is never changed from here`,
      ]);
    },
  );

  it.each([
    ['protect', { protect: false }, 'MUGEN: without protect; put it back before this is merged'],
    ['retainOnDelete', { retainOnDelete: undefined }, 'MUGEN: without retainOnDelete'],
    ['ignoreChanges', { ignoreChanges: ['tags'] }, "MUGEN: without ignoreChanges: ['*']"],
    ['import', { importID: undefined }, `MUGEN: without import: '${ID}'`],
  ])('sees that %s was dropped, where nothing would change', (_, over, message) => {
    expect(judge([aStep('same', { ...GUARDED, ...over })])).toEqual([expect.stringContaining(message)]);
  });

  it('refuses a preview that does not show the machine at all', () => {
    expect(judge([])).toEqual(['MUGEN: not in the preview; was it made with --show-sames?']);
  });

  it('takes a machine that is only read for what it is', () => {
    const over = { adopted: [aMachine({ mode: 'read' })] };
    expect(judge([aStep('read', { external: true })], { over })).toEqual([]);
    expect(judge([aStep('same', GUARDED)], { over })).toEqual(['MUGEN: is to be read, and would be owned']);
  });

  it('asks for agreement before nodes of our own are taken away', () => {
    const own = aStep('delete', undefined, 'phase2-3');
    const over = { adopted: [] };
    expect(judge([own], { over })).toEqual([`phase2-3: delete of ${TYPE}; agree to it with the label \`may-remove\``]);
    expect(judge([own], { over, mayRemove: true })).toEqual([]);
  });

  it('holds the price to the limit in the settings, and an unknown price is above it', () => {
    const over = { adopted: [], monthlyUsdMax: 500 };
    expect(judge([], { over, monthlyUsd: 500 })).toEqual([]);
    expect(judge([], { over, monthlyUsd: 500.01 })).toEqual(['$500.01 a month, above monthlyUsdMax of $500.00']);
    expect(judge([], { over, monthlyUsd: null })).toEqual([expect.stringContaining('its price is not known')]);
  });
});
