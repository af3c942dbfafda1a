import { Command } from 'commander';

/** A subcommand with what its reference and its help show beyond commander's own: examples, and exit codes of its own. */
export class Subcommand extends Command {
  readonly examples: string[] = [];
  /** Meaning of exit codes, where it says more than the general table. */
  readonly exits: Record<number, string> = {};

  override createCommand(name?: string): Subcommand {
    return new Subcommand(name);
  }

  /** A call as a person would type it; tests see that each is taken. */
  example(words: string): this {
    this.examples.push(words);
    return this.addHelpText('after', `\nExample:\n  ${words}`);
  }

  exit(code: number, means: string): this {
    this.exits[code] = means;
    return this;
  }
}
