// node-redis against the replicas whose ports are given.
const assert = require("assert");
const redis = require("redis");

async function main() {
    const ports = process.argv.slice(2);
    const clients = ports.map((port) => redis.createClient({ socket: { port: Number(port) } }));
    for (const client of clients) {
        client.on("error", (error) => { throw error; });
        await client.connect();
    }
    const [first, second, third] = clients;
    await first.del(["js", "js:n"]);
    assert.equal(await first.set("js", "red"), "OK");
    assert.equal(await second.get("js"), "red");
    assert.equal(await third.set("js", "blue", { NX: true }), null);
    assert.equal(await third.getSet("js", "blue"), "red");
    // Commands that are not awaited one by one go out as a pipeline.
    const counts = await Promise.all(Array.from({ length: 500 }, () => second.incr("js:n")));
    assert.deepEqual(counts, Array.from({ length: 500 }, (_, index) => index + 1));
    const replies = await first.multi().set("js", "green").get("js").incrBy("js:n", 10).exec();
    assert.deepEqual(replies, ["OK", "green", 510]);
    await first.watch("js:n");
    await third.incr("js:n");
    await assert.rejects(first.multi().set("js:n", "0").exec(), redis.WatchError);
    assert.equal(await second.get("js:n"), "511");
    await assert.rejects(first.sendCommand(["LPUSH", "l", "1"]), /unknown command 'LPUSH'/);
    let found = 0;
    for await (const keys of third.scanIterator({ MATCH: "js*" })) {
        found += [].concat(keys).length;
    }
    assert.equal(found, 2);
    for (const client of clients) {
        await client.quit();
    }
    console.log("node-redis: done");
}

main().catch((error) => { console.error(error); process.exit(1); });
