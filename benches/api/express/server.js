// The list of a tenant's users as a plain Express server gives it: the token's signature, the tenant of the
// token's claim and its pool, one question whether the user may, the page, and how many there are where that is
// asked. One process, as `node server.js` starts it.
import { readFileSync } from "node:fs";
import express from "express";
import jwt from "jsonwebtoken";
import pg from "pg";

const { SOCKET, DATABASE, PASSWORD_FILE, SESSIONS, EMAIL } = process.env;
const SECRET = "only for a bench";
const password = readFileSync(PASSWORD_FILE, "utf8").trim();
const pools = new Map();

function poolOf(tenant) {
  if (!pools.has(tenant)) {
    const options = { host: SOCKET, user: "nexus", password, database: tenant, max: Number(SESSIONS) };
    pools.set(tenant, new pg.Pool(options));
  }
  return pools.get(tenant);
}

const MAY = `select from nexus.user_roles join nexus.role_permissions using (role_id)
  where user_id = $1 and permission in ('user:read', 'user:*', '*:*') limit 1`;
const LIST = `select id, email, name, state, password_hash is not null as has_password,
    totp_since is not null as second_factor, profile,
    array(select roles.name from nexus.user_roles join nexus.roles on roles.id = role_id
          where user_id = users.id order by 1) as roles,
    array(select groups.name from nexus.group_members join nexus.groups on groups.id = group_id
          where user_id = users.id order by 1) as groups,
    created_at, updated_at, last_sign_in_at, locked_until, deleted_at
  from nexus.users where deleted_at is null order by email_key, id limit $1`;
const COUNT = `select count(*)::int as total from (select from nexus.users where deleted_at is null limit 1001) as counted`;

const app = express();
app.get("/users", async (request, response) => {
  let claims;
  try {
    claims = jwt.verify(request.get("authorization").slice("Bearer ".length), SECRET);
  } catch {
    return response.status(401).json({ error: "token" });
  }
  const pool = poolOf(claims.tenant);
  const may = { name: "may", text: MAY, values: [claims.sub] };
  if ((await pool.query(may)).rowCount === 0) return response.status(403).json({ error: "permission" });
  const limit = Math.min(Number(request.query.limit ?? 20), 100);
  const { rows: data } = await pool.query({ name: "list", text: LIST, values: [limit] });
  let total = null;
  if (request.query.total !== "none") {
    total = (await pool.query({ name: "count", text: COUNT })).rows[0].total;
  }
  response.json({ data, pagination: { page: 1, limit, total } });
});

const user = await poolOf(DATABASE).query("select id from nexus.users where email = $1", [EMAIL]);
const token = jwt.sign({ sub: user.rows[0].id, tenant: DATABASE }, SECRET, { expiresIn: "1h" });
const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port} ${token}`));
