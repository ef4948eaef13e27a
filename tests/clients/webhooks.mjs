// Verifies what was received with standardwebhooks of npm, and `v1a` with Node's own Ed25519. On standard input: a list
// of { secret, public_key, headers, body }; on standard output: for each { v1, v1a, type }.
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const ed25519 = (key, headers, body) => {
    const raw = Buffer.from(key.replace(/^whpk_/, ""), "base64");
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
    const content = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    return headers["webhook-signature"].split(" ").some((part) => {
        const [version, signature] = part.split(",");
        const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
        return version === "v1a" && verify(null, Buffer.from(content), publicKey, Buffer.from(signature, "base64"));
    });
};

const said = JSON.parse(readFileSync(0, "utf8")).map(({ secret, public_key, headers, body }) => {
    let v1 = true, type = null;
    try {
        type = new Webhook(secret).verify(body, headers).type;
    } catch {
        v1 = false;
    }
    return { v1, v1a: public_key ? ed25519(public_key, headers, body) : false, type };
});
console.log(JSON.stringify(said));
