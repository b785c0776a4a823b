// node worker.mjs HOST PORT: runs jobs of the queue "queue"; each says in the list "ran" that it ran.
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

const [host, port] = process.argv.slice(2);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const ledger = new Redis({ ...connection, maxRetriesPerRequest: 0 });
ledger.on('error', (error) => console.log('ledger:', error.message));

async function run(job) {
  for (let attempt = 0; ; attempt++) {
    try {
      await ledger.rpush('ran', job.data.number);
      return job.data.number * 2;
    } catch (error) {
      if (attempt === 60) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

// A job whose worker has gone is given to another one after the lock's time.
const worker = new Worker('queue', run, {
  connection,
  concurrency: 2,
  lockDuration: 5000,
  stalledInterval: 5000,
  maxStalledCount: 10,
});
worker.on('error', (error) => console.log('worker:', error.message));
worker.on('ready', () => console.log('ready'));
worker.on('failed', (job, error) => console.log('failed:', job?.id, error.message));
process.on('SIGTERM', () => process.exit(0));
