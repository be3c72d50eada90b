// node-postgres as its users use it: a pool, named statements, cursors, COPY streams, cancel, errors. Each check that
// holds prints "ok NAME"; the first that does not ends the program. The place comes from the PG* variables;
// argument: the name of an empty table (id int primary key, note text).
'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { setTimeout: delay } = require('node:timers/promises');
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { from: copyFrom, to: copyTo } = require('pg-copy-streams');

const table = process.argv[2];
const CLIENTS = 50;

async function connected(count, work, options = {}) {
  const clients = Array.from({ length: count }, () => new Client(options));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    return await work(...clients);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

const code = (wanted) => (error) => assert.equal(error.code, wanted) ?? true;

const checks = {
  prepared: () => connected(5, async (...clients) => {
    for (let step = 0; step < 20; step++) {
      for (const [number, client] of clients.entries()) {
        // The same name, another text on every connection.
        const query = { name: 'sum', text: `SELECT ${number} * 10 + $1::int AS sum`, values: [step] };
        assert.equal((await client.query(query)).rows[0].sum, number * 10 + step);
        assert.equal((await client.query('SELECT $1::text AS echo', [`è ${step}`])).rows[0].echo, `è ${step}`);
      }
    }
    // Asked before the first is answered: the driver queues them.
    const answers = await Promise.all([1, 2, 3].map((n) => clients[0].query({ name: 'echo', text: 'SELECT $1::int AS n', values: [n] })));
    assert.deepEqual(answers.map((answer) => answer.rows[0].n), [1, 2, 3]);
  }),

  cursor: () => connected(1, async (client) => {
    await client.query('BEGIN');
    const cursor = client.query(new Cursor('SELECT n FROM generate_series(1, $1::int) n', [500]));
    let sum = 0;
    for (let rows = await cursor.read(7); rows.length > 0; rows = await cursor.read(7)) rows.forEach((row) => (sum += row.n));
    await cursor.close();
    await client.query('COMMIT');
    assert.equal(sum, 125250);
  }),

  copy: () => connected(1, async (client) => {
    const lines = Array.from({ length: 5000 }, (_, n) => `${n}\tnote ${n}\n`);
    await pipeline(Readable.from(lines), client.query(copyFrom(`COPY ${table} FROM STDIN`)));
    const out = [];
    for await (const chunk of client.query(copyTo(`COPY (SELECT * FROM ${table} ORDER BY id) TO STDOUT`))) out.push(chunk);
    assert.equal(Buffer.concat(out).toString(), lines.join(''));
    const bad = pipeline(Readable.from(['x\ty\n']), client.query(copyFrom(`COPY ${table} FROM STDIN`)));
    await assert.rejects(bad, code('22P02'));
    assert.equal((await client.query(`DELETE FROM ${table}`)).rowCount, 5000);
  }),

  cancel: () => connected(2, async (client, bystander) => {
    const query = client.query(new (require('pg').Query)('SELECT pg_sleep(35)'));
    const failed = once(query, 'error');
    const running = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(35)'";
    while ((await bystander.query(running)).rowCount === 0) await delay(20);
    const canceller = new Client();
    canceller.cancel(client, query);
    const outcome = await failed.catch((error) => [error]);
    code('57014')(outcome[0]);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  }),

  statement_timeout: () => connected(1, async (client) => {
    await assert.rejects(client.query('SELECT pg_sleep(35)'), code('57014'));
    assert.equal((await client.query('SHOW statement_timeout')).rows[0].statement_timeout, '200ms');
  }, { statement_timeout: 200 }),  // sent as a startup parameter

  errors: () => connected(1, async (client) => {
    await assert.rejects(client.query('SELEC 1'), code('42601'));
    await assert.rejects(client.query({ name: 'bad', text: 'SELECT nothing', values: [] }), code('42703'));
    await client.query(`INSERT INTO ${table} VALUES ($1, $2)`, [1, 'kept']);
    await client.query('BEGIN');
    await assert.rejects(client.query(`INSERT INTO ${table} VALUES ($1, $2)`, [1, 'twice']),
      (error) => code('23505')(error) && assert.equal(error.constraint, `${table}_pkey`) === undefined);
    await assert.rejects(client.query('SELECT $1::int', [1]), code('25P02'));
    await client.query('ROLLBACK');
    assert.deepEqual((await client.query(`SELECT note FROM ${table}`)).rows, [{ note: 'kept' }]);
    await client.query(`DELETE FROM ${table}`);
  }),

  clients: async () => {
    const pool = new Pool({ max: CLIENTS });
    try {
      await Promise.all(Array.from({ length: CLIENTS }, async (_, number) => {
        for (let step = 0; step < 10; step++) {
          const client = await pool.connect();
          try {
            const key = number * 100 + step;
            await client.query('BEGIN');
            await client.query({ name: 'insert', text: `INSERT INTO ${table} VALUES ($1, $2)`, values: [key, `client ${number}`] });
            const { rows } = await client.query({ name: 'select', text: `SELECT note FROM ${table} WHERE id = $1`, values: [key] });
            assert.deepEqual(rows, [{ note: `client ${number}` }]);
            await client.query(step % 2 ? 'COMMIT' : 'ROLLBACK');
          } finally {
            client.release();
          }
        }
      }));
      assert.equal((await pool.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n, CLIENTS * 5);
    } finally {
      await pool.end();
    }
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log(`ok ${name}`);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
