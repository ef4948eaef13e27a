// Jobs per second of graphile-worker: as many at once as one process of Nexus runs, nothing is kept only in memory.
import pg from "pg";
import { Logger, run, runMigrations } from "graphile-worker";

const jobs = Number(process.env.JOBS);
const pgPool = new pg.Pool({ max: 20 });
// Writing a line for each job would be most of its work.
const logger = new Logger(() => () => {});
await runMigrations({ pgPool, logger });
await pgPool.query(
  `select graphile_worker.add_jobs(array(
     select json_populate_record(null::graphile_worker.job_spec, json_build_object('identifier', 'nothing'))
     from generate_series(1, $1)))`,
  [jobs],
);
await pgPool.query("analyze");
let done = 0;
let finish;
const all = new Promise((resolve) => (finish = resolve));
const began = performance.now();
const runner = await run({
  pgPool,
  concurrency: 16,
  noHandleSignals: true,
  logger,
  taskList: { nothing: async () => void (++done === jobs && finish()) },
});
await all;
for (;;) {
  const { rows } = await pgPool.query("select 1 from graphile_worker.jobs limit 1");
  if (rows.length === 0) break;
}
process.stdout.write(`${(jobs * 1000) / (performance.now() - began)}\n`);
await runner.stop();
await pgPool.end();
process.exit(0);
