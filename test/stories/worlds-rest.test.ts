import { describe } from 'vitest';
import { holdSentences } from './seeds.ts';

describe('whatever is killed, cut, full or late, in further worlds', () => {
  holdSentences(101, 120);
});
