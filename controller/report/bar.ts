import type { AttemptReport } from '../operations/account.ts';
import { escapeHtml, round } from './markup.ts';
import { cleanLine, duration, moment, TONES, type Tone, toneOf } from './words.ts';

/** One attempt in the picture: coloured and hatched by how it went, all that is known of it where the mouse rests. */

const WIDTH_MIN = 1.2;
const GAP = 0.6;
/** Lower rows have no room for names. */
const NAMED_HEIGHT_MIN = 13;
const NAME_MIN = 9;
const CHARACTER = 5.9;

/** Where its row has room for it. */
export interface Place {
  from: number;
  to: number;
  y: number;
  height: number;
}

/** `beganAt`: the beginning of everything, from which times are counted. */
export function barOf(attempt: AttemptReport, place: Place, beganAt: string | null): string {
  const tone = toneOf(attempt);
  const width = Math.max(WIDTH_MIN, place.to - place.from - GAP);
  const height = place.height < 6 ? place.height - 0.5 : place.height * 0.78;
  const y = place.y + (place.height - height) / 2;
  const corner = height > 8 ? ' rx="2"' : '';
  const box = (name: string, wide: number) =>
    `<rect class="${name} ${tone}" x="${round(place.from)}" y="${round(y)}" width="${round(wide)}" height="${round(height)}"${corner}`;
  const bar = `${box('bar', width)}><title>${escapeHtml(tooltipOf(attempt, tone, beganAt ?? attempt.beganAt))}</title></rect>`;
  const isPlain = tone === 'done' || tone === 'open';
  const room = Math.floor((width - (isPlain ? 8 : 20)) / CHARACTER);
  if (place.height < NAMED_HEIGHT_MIN || room < Math.min(attempt.task.length, NAME_MIN)) return bar;
  const name = cleanLine(attempt.task, room);
  const text = `<text class="name ${tone}" x="${round(place.from + 4)}" y="${round(place.y + place.height / 2 + 3.5)}">${escapeHtml(name)}</text>`;
  // On hatching a name could not be read: it has a ground.
  const ground = isPlain ? '' : `${box('ground', name.length * CHARACTER + 9)}/>`;
  return `${bar}${ground}${text}`;
}

function tooltipOf(attempt: AttemptReport, tone: Tone, origin: string): string {
  const { task, ordinal, verdict, state, beganAt, endedAt, seconds, message } = attempt;
  const after = (time: string) => duration(Math.max(0, Date.parse(time) - Date.parse(origin)) / 1000);
  const lines = [
    `${TONES[tone].sign} ${cleanLine(task, 80)}: ${verdict ?? state}${ordinal > 1 ? `, try ${ordinal}` : ''}`,
    endedAt === null
      ? `since ${after(beganAt)} (${moment(beganAt)} UTC)`
      : `${duration(seconds)}, from ${after(beganAt)} to ${after(endedAt)} (${moment(beganAt)} UTC)`,
    `waited ${duration(attempt.waitedSeconds)}; agent ${attempt.agent} on ${cleanLine(attempt.node, 60)}, ${cleanLine(attempt.kind, 60)}`,
    ...(message === null ? [] : [cleanLine(message, 200)]),
  ];
  return lines.join('\n');
}

const pattern = (tone: Tone, size: number, marks: string) =>
  `<pattern id="p-${tone}" width="${size}" height="${size}" patternUnits="userSpaceOnUse"><rect class="ground ${tone}" width="${size}" height="${size}"/><path class="mark" d="${marks}"/></pattern>`;

/** Each fault has a hatching of its own: the picture can be read without its colours. */
export const PATTERNS = `<defs>${[
  pattern('task', 6, 'M-1 7L7 -1M-1 1L1 -1M5 7L7 5'),
  pattern('wait', 5, 'M2 2.5h.8'),
  pattern('platform', 6, 'M0 0L6 6M6 0L0 6'),
  pattern('owner', 4, 'M0 2h4'),
  pattern('person', 4, 'M2 0v4'),
].join('')}</defs>`;
