/** A process of its own that fetches what its argument says and sends the folder back; it runs the built code, which `npm test` makes first. */
import { fetchDistribution } from '../../build/engine/tensorflow/fetch.js';

const folder = await fetchDistribution({ ...JSON.parse(process.argv[2]), onProgress: () => undefined });
process.send(folder);
process.disconnect();
