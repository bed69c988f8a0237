// Makes one call with npm's bitget-api. Standard input says which, standard output has the result, both as JSON.
// NODE_PATH is the folder of the package.
"use strict";

const dns = require("node:dns");
const fs = require("node:fs");

// The sandbox has a numeric address, so any name would lead elsewhere.
dns.lookup = (name) => {
  throw new Error(`refused to look up ${name}: this program connects to loopback only`);
};

const { RestClientV2 } = require("bitget-api");

const { options, method, parameters } = JSON.parse(fs.readFileSync(0, "utf8"));
const client = new RestClientV2(options);

client[method](parameters).then(
  (response) => console.log(JSON.stringify({ response })),
  // The client throws an error response of the exchange as a plain object with a body; everything else is an error.
  (thrown) => {
    if (thrown.body === undefined) throw thrown;
    console.log(JSON.stringify({ refusal: thrown.body }));
  },
);
