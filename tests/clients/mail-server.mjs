// A stock mail server. Settings come as one line of JSON on standard input; the port goes to standard output, then a
// line for each message that was taken. It ends when standard input does. What it does wrong, it does by the
// recipient's name: see `misbehave`.
import readline from 'node:readline';
import { SMTPServer } from 'smtp-server';

const lines = readline.createInterface({ input: process.stdin });
const settings = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const seen = new Map();
const failure = (responseCode, text) => Object.assign(new Error(text), { responseCode });

function socketOf(server, session) {
  for (const connection of server.connections) {
    if (connection.session === session || connection.id === session.id) return connection._socket;
  }
}

const server = new SMTPServer({
  secure: settings.secure ?? false,
  key: settings.key,
  cert: settings.cert,
  authOptional: !settings.user,
  disabledCommands: settings.user ? [] : ['AUTH'],
  hideSTARTTLS: settings.hideStarttls ?? false,
  authMethods: settings.methods ?? ['PLAIN', 'LOGIN'],
  disableReverseLookup: true,
  logger: false,
  onAuth(auth, _session, done) {
    const good = auth.username === settings.user && auth.password === settings.password;
    done(good ? null : failure(535, `5.7.8 wrong login for ${auth.username}: ${auth.password}`), { user: auth.username });
  },
  onRcptTo(address, session, done) {
    const [name] = address.address.split('@');
    const before = seen.get(address.address) ?? 0;
    seen.set(address.address, before + 1);
    if (name === 'grey' && before === 0) return done(failure(451, '4.7.1 greylisted, try again later'));
    if (name === 'nobody') return done(failure(550, '5.1.1 no such user'));
    if (name === 'relay') return done(failure(554, '5.7.1 relay access denied'));
    if (name === 'slow') return setTimeout(done, 300);
    done();
  },
  onData(stream, session, done) {
    const name = session.envelope.rcptTo[0].address.split('@')[0];
    const parts = [];
    stream.on('data', (part) => {
      parts.push(part);
      if (name === 'drop') socketOf(server, session)?.destroy();
    });
    stream.on('end', () => {
      if (name === 'drop') return;
      const content = Buffer.concat(parts).toString();
      if (name === 'spam') return done(failure(554, '5.7.1 looks like spam'));
      console.log(JSON.stringify({
        from: session.envelope.mailFrom.address,
        to: session.envelope.rcptTo.map((it) => it.address),
        user: session.user ?? null,
        secure: session.secure,
        content,
      }));
      // Taken, and the answer is lost.
      if (name === 'lost') return socketOf(server, session)?.destroy();
      if (name === 'once') {
        done(null, 'taken');
        // As servers end connections that are idle.
        return setTimeout(() => socketOf(server, session)?.destroy(), 20);
      }
      done(null, 'taken');
    });
  },
});
server.on('error', () => {});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.server.address().port })));
lines.on('close', () => process.exit(0));
