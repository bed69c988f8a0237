// Makes one call with npm's bitget-api: standard input says which, standard output what came of it, both as JSON.
// NODE_PATH tells where the package lies.
"use strict";

const dns = require("node:dns");
const fs = require("node:fs");

// Loopback is called by its number. A name would lead elsewhere.
dns.lookup = (name) => {
  throw new Error(`asked for ${name}: this judge talks to loopback only`);
};

const { RestClientV2 } = require("bitget-api");

const { options, method, parameters } = JSON.parse(fs.readFileSync(0, "utf8"));
const client = new RestClientV2(options);

client[method](parameters).then(
  (answer) => console.log(JSON.stringify({ answer })),
  // The client throws the exchange's refusal as a plain object with the answer as its body; all else is an error.
  (thrown) => {
    if (thrown.body === undefined) throw thrown;
    console.log(JSON.stringify({ refusal: thrown.body }));
  },
);
