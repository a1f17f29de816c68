// Sends what comes on a TCP feed, cut into messages of one size, to all WebSocket clients. Prints its version and ports.
import { createRequire } from "node:module";
import { createServer } from "node:net";

const require = createRequire(import.meta.url);
const folder = process.env.QUESTMUX_BENCH_NODE_MODULES;
const options = folder ? { paths: [folder] } : undefined;
let found;
try {
  found = require.resolve("ws", options);
} catch {
  process.exit(3);
}
const { WebSocketServer } = require(found);
const { version } = require(require.resolve("ws/package.json", options));
const size = Number(process.argv[2]);

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, clientTracking: true });
const feed = createServer((socket) => {
  let rest = Buffer.alloc(0);
  socket.on("data", (data) => {
    rest = rest.length ? Buffer.concat([rest, data]) : data;
    while (rest.length >= size) {
      const message = rest.subarray(0, size);
      rest = rest.subarray(size);
      for (const client of server.clients) client.send(message, { binary: false });
    }
  });
  socket.on("error", () => {});
});
server.on("listening", () => {
  feed.listen(0, "127.0.0.1", () => console.log(version, server.address().port, feed.address().port));
});
