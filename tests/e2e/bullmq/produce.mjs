// node produce.mjs HOST PORT FIRST COUNT: adds jobs, and writes the number of each that the queue took.
import { Queue } from 'bullmq';

const [host, port, first, count] = process.argv.slice(2);
const queue = new Queue('queue', { connection: { host, port: Number(port), maxRetriesPerRequest: 0 } });
queue.on('error', () => {});

for (let number = Number(first); number < Number(first) + Number(count); number++) {
  try {
    const job = await queue.add('double', { number }, { attempts: 5, backoff: { type: 'fixed', delay: 200 } });
    console.log(number, job.id);
  } catch (error) {
    console.error(number, error.message);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
process.exit(0);
