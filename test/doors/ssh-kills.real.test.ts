import { describeWith } from '../support/capability.ts';
import { aRigForAll, endsEveryTask, KILLS } from './faults.ts';

/** What another of them does too, and more; the drills have all. */
const COVERED = ['a worker is killed', 'every SSH connection is killed'];

describeWith(['rig', 'tmux'], 'a fleet over SSH of which something is killed', () => {
  endsEveryTask(
    KILLS.filter(({ what }) => !COVERED.includes(what)),
    aRigForAll(),
  );
});
