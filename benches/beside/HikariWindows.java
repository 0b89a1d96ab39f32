import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.sql.*;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import java.util.logging.Logger;
import javax.sql.DataSource;

/**
 * HikariCP in the bench suite, on connections that do nothing. Reads lines "threads connections held window timed" (times in
 * nanoseconds), lets that many threads get and close connections for the window, and answers "cost p50 p99 longest" in
 * nanoseconds. benches/suite/peer.rs compiles and starts it.
 */
public class HikariWindows {
    static final Map<Integer, HikariDataSource> pools = new HashMap<>();
    static volatile boolean stop;

    public static void main(String[] arguments) throws Exception {
        // The compiler is done with the loops after two seconds of them; it counts turns, so short windows will do.
        for (int turn = 0; turn < 10; turn++) {
            window(1, 10, 0, 100_000_000, turn % 2 == 1);
            window(4, 10, 0, 100_000_000, turn % 2 == 1);
        }
        System.out.println(arguments[0] + " on Java " + System.getProperty("java.version"));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            int threads = Integer.parseInt(words[0]);
            int connections = Integer.parseInt(words[1]);
            long held = Long.parseLong(words[2]);
            long length = Long.parseLong(words[3]);
            System.out.println(window(threads, connections, held, length, words[4].equals("1")));
        }
        // Its threads would keep the process.
        System.exit(0);
    }

    static HikariDataSource pool(int connections) throws Exception {
        HikariDataSource pool = pools.get(connections);
        if (pool == null) {
            HikariConfig config = new HikariConfig();
            config.setDataSource(new NothingSource());
            config.setMaximumPoolSize(connections);
            config.setMinimumIdle(connections);
            pool = new HikariDataSource(config);
            while (pool.getHikariPoolMXBean().getTotalConnections() < connections) {
                Thread.sleep(10);
            }
            pools.put(connections, pool);
        }
        return pool;
    }

    static class Worker extends Thread {
        final HikariDataSource pool;
        final CyclicBarrier start;
        final long held;
        final boolean timed;
        final Waits waits = new Waits();
        long began, ended, pairs;

        Worker(HikariDataSource pool, CyclicBarrier start, long held, boolean timed) {
            this.pool = pool;
            this.start = start;
            this.held = held;
            this.timed = timed;
        }

        @Override public void run() {
            try {
                start.await();
                began = System.nanoTime();
                pairs = timed ? timed() : plain();
                ended = System.nanoTime();
            } catch (Exception error) {
                error.printStackTrace();
                System.exit(1);
            }
        }

        long plain() throws SQLException {
            long pairs = 0;
            while (!stop) {
                pool.getConnection().close();
                pairs++;
            }
            return pairs;
        }

        long timed() throws SQLException {
            long pairs = 0;
            while (!stop) {
                long asked = System.nanoTime();
                Connection connection = pool.getConnection();
                waits.add(System.nanoTime() - asked);
                if (held > 0) {
                    LockSupport.parkNanos(held);
                }
                connection.close();
                pairs++;
            }
            return pairs;
        }
    }

    static String window(int threads, int connections, long held, long length, boolean timed) throws Exception {
        HikariDataSource pool = pool(connections);
        CyclicBarrier start = new CyclicBarrier(threads + 1);
        stop = false;
        List<Worker> workers = new ArrayList<>();
        for (int number = 0; number < threads; number++) {
            Worker worker = new Worker(pool, start, held, timed);
            worker.start();
            workers.add(worker);
        }
        start.await();
        Thread.sleep(length / 1_000_000);
        stop = true;
        long began = Long.MAX_VALUE, ended = Long.MIN_VALUE, pairs = 0;
        Waits waits = new Waits();
        for (Worker worker : workers) {
            worker.join();
            began = Math.min(began, worker.began);
            ended = Math.max(ended, worker.ended);
            pairs += worker.pairs;
            waits.addAll(worker.waits);
        }
        double cost = (double) (ended - began) / Math.max(1, pairs);
        return cost + " " + waits.quantile(0.5) + " " + waits.quantile(0.99) + " " + waits.longest;
    }

    /** Waits in buckets that are 3 % wide, as benches/suite/measure.rs has them. */
    static class Waits {
        final long[] counts = new long[60 * 32];
        long longest;

        void add(long wait) {
            counts[bucket(wait)]++;
            longest = Math.max(longest, wait);
        }

        void addAll(Waits other) {
            for (int bucket = 0; bucket < counts.length; bucket++) {
                counts[bucket] += other.counts[bucket];
            }
            longest = Math.max(longest, other.longest);
        }

        long quantile(double quantile) {
            long all = 0, seen = 0;
            for (long count : counts) {
                all += count;
            }
            long wanted = Math.max(1, (long) Math.ceil(all * quantile));
            for (int bucket = 0; bucket < counts.length; bucket++) {
                seen += counts[bucket];
                if (seen >= wanted) {
                    return (32L + bucket % 32) << (bucket / 32);
                }
            }
            return 0;
        }

        static int bucket(long wait) {
            long value = Math.max(wait, 32);
            int octave = 58 - Long.numberOfLeadingZeros(value);
            return octave * 32 + (int) (value >> octave) - 32;
        }
    }

    static class NothingSource implements DataSource {
        public Connection getConnection() { return new Nothing(); }
        public Connection getConnection(String user, String password) { return new Nothing(); }
        public PrintWriter getLogWriter() { return null; }
        public void setLogWriter(PrintWriter writer) { }
        public int getLoginTimeout() { return 0; }
        public void setLoginTimeout(int seconds) { }
        public Logger getParentLogger() { return null; }
        public boolean isWrapperFor(Class<?> a) { return false; }
        public <T> T unwrap(Class<T> a) { return null; }
    }

    /** Written out, because a java.lang.reflect.Proxy would be a cost that HikariCP does not have. */
    static class Nothing implements Connection {
        public Array createArrayOf(String a, Object[] b) { return null; }
        public Blob createBlob() { return null; }
        public CallableStatement prepareCall(String a) { return null; }
        public CallableStatement prepareCall(String a, int b, int c) { return null; }
        public CallableStatement prepareCall(String a, int b, int c, int d) { return null; }
        public Clob createClob() { return null; }
        public DatabaseMetaData getMetaData() { return null; }
        public Map<String, Class<?>> getTypeMap() { return null; }
        public NClob createNClob() { return null; }
        public PreparedStatement prepareStatement(String a) { return null; }
        public PreparedStatement prepareStatement(String a, String[] b) { return null; }
        public PreparedStatement prepareStatement(String a, int b) { return null; }
        public PreparedStatement prepareStatement(String a, int b, int c) { return null; }
        public PreparedStatement prepareStatement(String a, int b, int c, int d) { return null; }
        public PreparedStatement prepareStatement(String a, int[] b) { return null; }
        public Properties getClientInfo() { return null; }
        public SQLWarning getWarnings() { return null; }
        public SQLXML createSQLXML() { return null; }
        public Savepoint setSavepoint() { return null; }
        public Savepoint setSavepoint(String a) { return null; }
        public Statement createStatement() { return null; }
        public Statement createStatement(int a, int b) { return null; }
        public Statement createStatement(int a, int b, int c) { return null; }
        public String getCatalog() { return null; }
        public String getClientInfo(String a) { return null; }
        public String getSchema() { return null; }
        public String nativeSQL(String a) { return null; }
        public Struct createStruct(String a, Object[] b) { return null; }
        public <T> T unwrap(Class<T> a) { return null; }
        public boolean getAutoCommit() { return true; }
        public boolean isClosed() { return false; }
        public boolean isReadOnly() { return false; }
        public boolean isValid(int a) { return true; }
        public boolean isWrapperFor(Class<?> a) { return false; }
        public int getHoldability() { return 0; }
        public int getNetworkTimeout() { return 0; }
        public int getTransactionIsolation() { return Connection.TRANSACTION_READ_COMMITTED; }
        public void abort(Executor a) { }
        public void clearWarnings() { }
        public void close() { }
        public void commit() { }
        public void releaseSavepoint(Savepoint a) { }
        public void rollback() { }
        public void rollback(Savepoint a) { }
        public void setAutoCommit(boolean a) { }
        public void setCatalog(String a) { }
        public void setClientInfo(Properties a) { }
        public void setClientInfo(String a, String b) { }
        public void setHoldability(int a) { }
        public void setNetworkTimeout(Executor a, int b) { }
        public void setReadOnly(boolean a) { }
        public void setSchema(String a) { }
        public void setTransactionIsolation(int a) { }
        public void setTypeMap(Map<String, Class<?>> a) { }
    }
}
