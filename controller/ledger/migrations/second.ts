/** Version 2: several nodes. A conversation lives on a node; what runs on one that is not heard may park its task. */
export const SECOND: readonly string[] = [
  `ALTER TABLE task ADD COLUMN resumes_node TEXT`,
  // Before this there was one node, whatever it was called: what waited for its conversation begins anew.
  `UPDATE task SET resumes_on = NULL, conversation = NULL WHERE resumes_on IS NOT NULL`,
  `ALTER TABLE attempt ADD COLUMN is_parked INTEGER NOT NULL DEFAULT 0`,
];
