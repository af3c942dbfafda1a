import fc from 'fast-check';

/** Characters that shells, lines and terminals take for something, often enough to meet each other; and any other. */
const character = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(...'\'"`$\\!*?[]{}()<>|&;#~-=%^ \t\r\n\x01\x1b\x7f', 'a', '0', 'あ', '👍🏽'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
);

/** Any text that a process can be given: well-formed Unicode without NUL. */
export const anyText = (lengthMax: number) =>
  fc.string({ unit: character, maxLength: lengthMax }).map((text) => text.replaceAll('\0', '').toWellFormed());
