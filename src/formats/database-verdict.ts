/** Whose database is right: the same rule for replicas, which act on it, and for whoever shows it to operators. */
export {
  compareVersions,
  type DatabaseReport,
  type Judgement,
  judgeDatabases,
} from '../core/consensus/database-verdict.ts';
