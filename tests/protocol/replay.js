// Replays a transcript with the stock Socket.IO client: node replay.js URL TOKEN TRANSCRIPT
"use strict";
const { deepStrictEqual } = require("node:assert");
const { readFileSync } = require("node:fs");
const { io } = require("socket.io-client");

const [url, token, path] = process.argv.slice(2);
const lines = readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const bound = new Map();

// What a transcript says, with the values that its placeholders stand for, once they are known.
function meant(said, came) {
  if (typeof said === "string" && /^<.*>$/.test(said)) {
    if (!bound.has(said) && came !== undefined) bound.set(said, came);
    return bound.get(said);
  }
  if (Array.isArray(said)) return said.map((item, n) => meant(item, came?.[n]));
  if (said === null || typeof said !== "object") return said;
  return Object.fromEntries(Object.entries(said).map(([key, item]) => [key, meant(item, came?.[key])]));
}

class Peer {
  constructor(namespace) {
    this.arrived = [];
    this.waiting = [];
    this.socket = io(url + namespace, { transports: ["websocket"], reconnection: false, auth: { proto: 1, token } });
    this.connected = new Promise((resolve, reject) => {
      this.socket.on("connect", resolve).on("connect_error", reject);
    });
    this.socket.onAny((event, data, acknowledge) => {
      const come = { event, data, acknowledge };
      this.waiting.length ? this.waiting.shift()(come) : this.arrived.push(come);
    });
  }

  next() {
    if (this.arrived.length) return Promise.resolve(this.arrived.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

async function replay(line, peers) {
  const peer = peers[line.from ?? line.to];
  if (line.to) {
    const { event, data, acknowledge } = await peer.next();
    deepStrictEqual({ event, data }, { event: line.event, data: meant(line.data, data) });
    if (line.answer) acknowledge(line.answer);
  } else if (line.ack) {
    const came = await peer.socket.emitWithAck(line.event, meant(line.data));
    deepStrictEqual(came, meant(line.ack, came));
  } else {
    peer.socket.emit(line.event, meant(line.data));
  }
}

async function main() {
  const peers = { provider: new Peer("/providers"), caller: new Peer("/clients") };
  await Promise.all([peers.provider.connected, peers.caller.connected]);
  for (const [n, line] of lines.entries()) {
    const late = setTimeout(() => fail(n, new Error("nothing came")), 10_000);
    await replay(line, peers).catch((error) => fail(n, error));
    clearTimeout(late);
  }
  for (const peer of Object.values(peers)) peer.socket.disconnect();
}

function fail(n, error) {
  console.error(`${path}:${n + 1}: ${error.message}`);
  process.exit(1);
}

main();
