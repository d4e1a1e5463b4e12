// A provider in JavaScript. Without the daemon: npm install socket.io-client, and
// GLEITZEIT_TOKEN=$(cat /run/gleitzeit/token) node provider.js
const { io } = require("socket.io-client");
const { GLEITZEIT_HUB_URL: url = "http://localhost:8000", GLEITZEIT_TOKEN: token } = process.env;
const hub = io(url + "/providers", { transports: ["websocket"], auth: { proto: 1, token } });
const methods = [{ name: "greet" }, { name: "spell", stream: true }];

hub.on("connect", () => hub.emit("register", { name: "greeter", reply: "ack", closed: true, methods }, console.log));
hub.on("connect_error", (error) => console.error(error.message));
hub.on("invoke", ({ id, args, stream }, answer) => {
  if (!stream) return answer({ ok: true, result: `hello ${args.whom}` });
  const letters = [...args.word]; // more than 64 would have to wait for `credit`
  letters.forEach((letter, seq) => hub.emit("chunk", { id, seq, d: [letter] }));
  hub.emit("end", { id, seq: letters.length });
});
hub.on("health", ({ id }) => hub.emit("health", { id, ok: true, health: { healthy: hub.connected } }));
