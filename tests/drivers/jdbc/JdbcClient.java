// PostgreSQL's JDBC driver as its users use it, all at its defaults: server-side prepared statements from the fifth run
// on, batches, portals with a fetch size, COPY, cancel, errors. Each check that holds prints "ok NAME"; the first that
// does not ends the program. The place comes from the PG* variables; argument: the name of an empty table (id int
// primary key, note text).
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;

public class JdbcClient {
  static final int CLIENTS = 50;
  static String table;

  interface Check {
    void run() throws Exception;
  }

  static Connection connect() throws SQLException {
    String url = "jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
    Properties properties = new Properties();
    properties.setProperty("user", System.getenv("PGUSER"));
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    return DriverManager.getConnection(url, properties);
  }

  static void same(Object wanted, Object seen) {
    if (!wanted.equals(seen)) throw new AssertionError("wanted " + wanted + ", saw " + seen);
  }

  static void fails(String state, Check statement) throws Exception {
    try {
      statement.run();
    } catch (SQLException error) {
      same(state, error.getSQLState());
      return;
    }
    throw new AssertionError("no error " + state);
  }

  static int number(Connection connection, String text) throws SQLException {
    try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(text)) {
      rows.next();
      return rows.getInt(1);
    }
  }

  static void execute(Connection connection, String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  // The driver calls its statements S_1, S_2, ... on every connection, with another text behind each.
  static void prepared() throws Exception {
    List<Connection> connections = new ArrayList<>();
    List<PreparedStatement> statements = new ArrayList<>();
    for (int c = 0; c < 5; c++) {
      connections.add(connect());
      statements.add(connections.get(c).prepareStatement("SELECT " + c + " * 100 + ?, ?::text"));
    }
    for (int step = 0; step < 20; step++) {
      for (int c = 0; c < 5; c++) {
        PreparedStatement statement = statements.get(c);
        statement.setInt(1, step);
        statement.setString(2, step % 2 == 0 ? null : "è " + step);
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          same(c * 100 + step, rows.getInt(1));
          same(step % 2 == 0 ? "null" : "è " + step, String.valueOf(rows.getString(2)));
        }
      }
    }
    for (Connection connection : connections) connection.close();
  }

  static void batch() throws Exception {
    try (Connection connection = connect()) {
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)")) {
        for (int n = 0; n < 1000; n++) {
          insert.setInt(1, n);
          insert.setString(2, "note " + n);
          insert.addBatch();
        }
        same(1000, insert.executeBatch().length);
        connection.setAutoCommit(false);
        for (int n = 2000; n > 990; n--) {
          insert.setInt(1, n);
          insert.setString(2, "twice");
          insert.addBatch();
        }
        fails("23505", insert::executeBatch);
        connection.rollback();
        connection.setAutoCommit(true);
      }
      same(1000, number(connection, "SELECT count(*) FROM " + table));
      execute(connection, "DELETE FROM " + table);
    }
  }

  static void fetchSize() throws Exception {
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      try (PreparedStatement statement = connection.prepareStatement("SELECT n FROM generate_series(1, ?) n")) {
        statement.setFetchSize(7);
        statement.setInt(1, 500);
        int sum = 0;
        try (ResultSet rows = statement.executeQuery()) {
          while (rows.next()) sum += rows.getInt(1);
        }
        same(125250, sum);
      }
      connection.commit();
    }
  }

  static void copy() throws Exception {
    try (Connection connection = connect()) {
      StringBuilder lines = new StringBuilder();
      for (int n = 0; n < 5000; n++) lines.append(n).append("\tnote ").append(n).append('\n');
      var copies = connection.unwrap(PGConnection.class).getCopyAPI();
      same(5000L, copies.copyIn("COPY " + table + " FROM STDIN", new StringReader(lines.toString())));
      StringWriter out = new StringWriter();
      copies.copyOut("COPY (SELECT * FROM " + table + " ORDER BY id) TO STDOUT", out);
      same(lines.toString(), out.toString());
      fails("22P02", () -> copies.copyIn("COPY " + table + " FROM STDIN", new StringReader("x\ty\n")));
      execute(connection, "DELETE FROM " + table);
    }
  }

  static void cancel() throws Exception {
    try (Connection connection = connect(); Connection bystander = connect(); Statement statement = connection.createStatement()) {
      Thread canceller = new Thread(() -> {
        try {
          while (number(bystander, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(36)'") == 0) Thread.sleep(20);
          statement.cancel();
        } catch (Exception error) {
          error.printStackTrace();
        }
      });
      canceller.start();
      fails("57014", () -> statement.execute("SELECT pg_sleep(36)"));
      canceller.join();
      same(1, number(connection, "SELECT 1"));
      statement.setQueryTimeout(1);  // the driver's own timer sends a CancelRequest
      fails("57014", () -> statement.execute("SELECT pg_sleep(37)"));
      same(2, number(connection, "SELECT 2"));
      same(3, number(bystander, "SELECT 3"));
    }
  }

  static void errors() throws Exception {
    try (Connection connection = connect()) {
      fails("42601", () -> execute(connection, "SELEC 1"));
      execute(connection, "INSERT INTO " + table + " VALUES (1, 'kept')");
      connection.setAutoCommit(false);
      fails("23505", () -> execute(connection, "INSERT INTO " + table + " VALUES (1, 'twice')"));
      fails("25P02", () -> execute(connection, "SELECT 1"));
      connection.rollback();
      Savepoint savepoint = connection.setSavepoint();
      fails("22012", () -> execute(connection, "SELECT 1 / 0"));
      connection.rollback(savepoint);
      same(1, number(connection, "SELECT count(*) FROM " + table));
      execute(connection, "DELETE FROM " + table);
      connection.commit();
    }
  }

  static void transactionModes() throws Exception {
    try (Connection connection = connect()) {
      connection.setAutoCommit(false);
      connection.setReadOnly(true);
      connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      fails("25006", () -> execute(connection, "DELETE FROM " + table));
      connection.rollback();
      connection.setReadOnly(false);
      execute(connection, "DELETE FROM " + table);
      connection.commit();
    }
  }

  static Void client(int number) throws Exception {
    try (Connection connection = connect();
         PreparedStatement insert = connection.prepareStatement("INSERT INTO " + table + " VALUES (?, ?)");
         PreparedStatement select = connection.prepareStatement("SELECT note FROM " + table + " WHERE id = ?")) {
      connection.setAutoCommit(false);
      for (int step = 0; step < 12; step++) {
        insert.setInt(1, number * 100 + step);
        insert.setString(2, "client " + number);
        same(1, insert.executeUpdate());
        select.setInt(1, number * 100 + step);
        try (ResultSet rows = select.executeQuery()) {
          rows.next();
          same("client " + number, rows.getString(1));
        }
        if (step % 3 == 2) connection.rollback(); else connection.commit();
      }
      same(8, number(connection, "SELECT count(*) FROM " + table + " WHERE note = 'client " + number + "'"));
      connection.commit();
    }
    return null;
  }

  static void clients() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
    List<Callable<Void>> work = new ArrayList<>();
    for (int c = 0; c < CLIENTS; c++) {
      int number = c;
      work.add(() -> client(number));
    }
    for (Future<Void> done : threads.invokeAll(work)) done.get();
    threads.shutdown();
  }

  static void check(String name, Check body) throws Exception {
    body.run();
    System.out.println("ok " + name);
  }

  public static void main(String[] arguments) {
    table = arguments[0];
    try {
      check("prepared", JdbcClient::prepared);
      check("batch", JdbcClient::batch);
      check("fetch size", JdbcClient::fetchSize);
      check("copy", JdbcClient::copy);
      check("cancel", JdbcClient::cancel);
      check("errors", JdbcClient::errors);
      check("transaction modes", JdbcClient::transactionModes);
      check("clients", JdbcClient::clients);
    } catch (Throwable error) {
      error.printStackTrace();
      System.exit(1);
    }
    System.exit(0);
  }
}
