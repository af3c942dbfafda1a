import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCost } from '../../controller/cli/commands/cost.ts';
import type { Door } from '../../controller/cli/door.ts';
import { refusal, scratch } from '../config/scratch.ts';
import { ROOT } from '../support/sources.ts';

const aDoor = (cwd: string) => {
  const said: string[] = [];
  const out: string[] = [];
  const door = { cwd, columns: 120, out: (text: string) => out.push(text), say: (text: string) => said.push(text) };
  return { door: door as unknown as Door, out, said };
};

interface Plan {
  stacks: readonly Record<string, unknown>[];
  always: unknown;
  scheduled: unknown;
  off: unknown;
  month: unknown;
}

async function costOf(options: object): Promise<Plan> {
  const { door, out } = aDoor(ROOT);
  expect(await planCost(door, [], { ...options, json: true })).toBe(0);
  return JSON.parse(out.join('')) as Plan;
}

/**
 * By hand, at $0.68 (c6i.4xlarge) and $0.34 (c6i.2xlarge) an hour, 100 GiB at $0.08, an address at $0.005 an hour.
 * Phase 1, with addresses that stay: compute 489.60 + 244.80, disks 2 × 8.00, addresses 2 × 3.60.
 * A node of phases 2 and 3: 489.60 + 8.00 + 3.60 = 501.20; for 220 hours 149.60 + 8.00 + 1.10 = 158.70.
 */
const BY_HAND = [
  { stack: 'phase1', always: 757.6, scheduled: 247.6, off: 23.2 },
  { stack: 'phase2', always: 1503.6, scheduled: 476.1, off: 24 },
  { stack: 'phase3', always: 1002.4, scheduled: 317.4, off: 16 },
];

describe('the cost of the three phases', () => {
  it('is to the cent what a table by hand says, always on, on for 220 hours, and off', async () => {
    const { stacks, always, scheduled, off, month } = await costOf({ hoursOn: '220' });
    expect(stacks).toMatchObject(BY_HAND);
    expect({ always, scheduled, off }).toEqual({ always: 3263.6, scheduled: 1041.1, off: 63.2 });
    expect(month).toEqual({ hours: 720, hoursOn: 220, calendar: null });
  });

  it('is another for a month of the calendar', async () => {
    const { always, month } = await costOf({ month: '2026-12' });
    expect(month).toEqual({ hours: 744, hoursOn: 744, calendar: '2026-12' });
    // 24 hours more of 1.02 + 5 × 0.68 and of seven addresses.
    expect(always).toBe(3263.6 + 106.92);
  });

  it('is unknown for a type without a price, and so is the sum', async () => {
    const cwd = await scratch({ 'Pulumi.yaml': '', 'Pulumi.big.yaml': stackOf('c6i.6xlarge') });
    const { door, out, said } = aDoor(cwd);
    await planCost(door, [], {});
    expect(out.join('')).toMatch(/big-1 +c6i\.6xlarge +unknown +\$4\.80 +\$3\.60 +unknown/);
    expect(out.join('')).toMatch(/all .*unknown/);
    expect(said.join('')).toContain('a month of 720 hours');
  });

  it.each([
    ['a month there is not', { month: '2026-13' }, '--month 2026-13 is no month'],
    ['more hours than it has', { hoursOn: '800' }, '--hours-on 800 is no number of hours in the month, which has 720'],
  ])('is not told for %s', async (_, options, message) => {
    const { door } = aDoor(ROOT);
    expect(await refusal(planCost(door, [], options))).toEqual({ code: 'usage', lines: [message] });
  });

  it('is refused with every problem of the file', async () => {
    const cwd = await scratch({ 'Pulumi.yaml': '', 'Pulumi.bad.yaml': stackOf('c6i', '-1') });
    const { door } = aDoor(cwd);
    const file = join(cwd, 'Pulumi.bad.yaml');
    const { lines } = await refusal(planCost(door, [], {}));
    expect(lines).toEqual([
      expect.stringContaining(`${file} groups[0].count: expected how many nodes there are`),
      expect.stringContaining(`${file} groups[0].instanceType: expected an instance type`),
    ]);
  });

  it.each([
    ['is not there', 'none.json', 'is not there'],
    ['is no JSON', 'torn.json', 'is not JSON'],
    ['is no list of prices', 'other.json', 'source: '],
  ])('names the price file that %s', async (_, name, words) => {
    const cwd = await scratch({
      'Pulumi.yaml': '',
      'Pulumi.a.yaml': stackOf('c6i.4xlarge'),
      'torn.json': '{',
      'other.json': '{}',
    });
    const { lines } = await refusal(planCost(aDoor(cwd).door, [], { prices: name }));
    expect(lines).toEqual(expect.arrayContaining([expect.stringContaining(`${join(cwd, name)} ${words}`)]));
  });
});

function stackOf(instanceType: string, count = '1'): string {
  return `config:
  miyabi-fleet:settings:
    phase: big
    owner: me
    region: us-east-1
    amis: { us-east-1: ami-12345678 }
    groups: [{ name: big, count: ${count}, instanceType: ${instanceType} }]
`;
}
