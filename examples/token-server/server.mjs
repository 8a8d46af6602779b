// A door to your rooms: who signs in gets a token for one room, under their own name, for an hour. It shares a secret
// with the nodes and asks them nothing, so it can be a function of the backend that you have.
//
//   STARLING_TOKEN_SECRET=… USERS=ada:her-password,ben:his-password node server.mjs

import { createHmac, scryptSync, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const SECRET = needed('STARLING_TOKEN_SECRET');
const NODE = process.env.STARLING_URL ?? 'http://localhost:4443';
const PORT = Number(process.env.PORT ?? 3000);
const HOUR = 3600;
/** Ids of rooms and peers, as nodes take them. */
const ID = /^[\w.~-]{1,64}$/;

// Passwords are kept as nobody can read them back. Yours are wherever your users are.
const SALT = 'token-server';
const users = new Map(needed('USERS').split(',').map((user) => {
  const [name, password] = user.split(':');
  return [name, scryptSync(password, SALT, 32)];
}));

/** Your rule goes here: may this person come into that room, and what may they do in it? */
function grants(user, room) {
  if (room.startsWith('private-') && room !== `private-${user}`) return null;
  return { publish: true, subscribe: true };
}

/** A JSON Web Token (RFC 7519), HS256: three parts in base64url. */
export function sign(claims, secret = SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, NODE);
  const answer = (status, body, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
    response.end(`${JSON.stringify(body)}\n`);
  };
  const room = searchParams.get('room') ?? '';
  if (pathname !== '/token') return answer(404, { error: 'there is only GET /token?room=NAME' });
  if (!ID.test(room)) return answer(400, { error: 'give ?room=, 1 to 64 of A-Z a-z 0-9 . _ ~ -' });
  const user = signedIn(request.headers.authorization);
  if (!user) return answer(401, { error: 'who are you?' }, { 'www-authenticate': 'Basic realm="rooms"' });
  const may = grants(user, room);
  if (!may) return answer(403, { error: `${room} is not yours` });
  const exp = Math.floor(Date.now() / 1000) + HOUR;
  const token = sign({ room, sub: user, exp, ...may });
  // The page of the node; an app of yours takes the token alone.
  const page = `${NODE}/?${new URLSearchParams({ room, peer: user, name: user, token })}`;
  answer(200, { token, expiresAt: exp, page });
}).listen(PORT, () => console.log(`tokens at http://localhost:${PORT}/token?room=demo`));

/** The user of an `Authorization: Basic` header, or null. Takes as long for a name that nobody has. */
function signedIn(header = '') {
  const [name, password = ''] = Buffer.from(header.replace(/^Basic /, ''), 'base64').toString().split(':');
  const known = users.get(name);
  const good = timingSafeEqual(scryptSync(password, SALT, 32), known ?? scryptSync('', name, 32));
  return known && good ? name : null;
}

function needed(name) {
  if (process.env[name]) return process.env[name];
  console.error(`token-server: set ${name}`);
  process.exit(2);
}
