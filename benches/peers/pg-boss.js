// Jobs per second of pg-boss: as many workers as one process of Nexus runs jobs, with its usual settings; or, with TUNED,
// batches of 50 that are fetched one after the other.
import { PgBoss } from "pg-boss";

const jobs = Number(process.env.JOBS);
const { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE } = process.env;
const boss = new PgBoss({
  host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD, database: PGDATABASE, max: 20,
});
boss.on("error", (error) => process.stderr.write(`${error}\n`));
await boss.start();
await boss.createQueue("nothing");
for (let at = 0; at < jobs; at += 1000) {
  await boss.insert("nothing", Array.from({ length: Math.min(1000, jobs - at) }, () => ({ data: {} })));
}
let done = 0;
let finish;
const all = new Promise((resolve) => (finish = resolve));
const began = performance.now();
const options = process.env.TUNED
  ? { localConcurrency: 4, batchSize: 50, burstWhenBatchFull: true }
  : { localConcurrency: 16, pollingIntervalSeconds: 0.5 };
await boss.work("nothing", options, async (some) => {
  done += some.length;
  if (done === jobs) finish();
});
await all;
process.stdout.write(`${(jobs * 1000) / (performance.now() - began)}\n`);
await boss.stop({ graceful: false });
process.exit(0);
