import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/** A client on HttpURLConnection, which keeps connections alive and adds headers of its own. Run from its source. */
public class Client {
    private static int sequence = 8000;

    private static String send(String command, String... fields) throws Exception {
        StringBuilder body = new StringBuilder();
        body.append("VER=1.1&CMD=").append(command).append("&SEQ=").append(sequence++);
        body.append("&UIN=").append(System.getenv("QQ_UIN"));
        for (int i = 0; i < fields.length; i += 2) {
            body.append('&').append(fields[i]).append('=').append(URLEncoder.encode(fields[i + 1], StandardCharsets.UTF_8));
        }
        String[] proxy = System.getenv("QQ_PROXY").split(":");
        Proxy through = proxy.length < 2 ? Proxy.NO_PROXY
            : new Proxy(Proxy.Type.HTTP, new InetSocketAddress(proxy[0], Integer.parseInt(proxy[1])));
        URI address = URI.create("http://" + System.getenv("QQ_SERVER") + "/");
        HttpURLConnection connection = (HttpURLConnection) address.toURL().openConnection(through);
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setConnectTimeout(10000);
        connection.setReadTimeout(10000);
        try (OutputStream out = connection.getOutputStream()) {
            out.write(body.toString().getBytes(StandardCharsets.UTF_8));
        }
        ByteArrayOutputStream reply = new ByteArrayOutputStream();
        try (InputStream in = connection.getInputStream()) {
            in.transferTo(reply);
        }
        return reply.toString(StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        StringBuilder hash = new StringBuilder();
        byte[] password = System.getenv("QQ_PASSWORD").getBytes(StandardCharsets.UTF_8);
        for (byte one : MessageDigest.getInstance("MD5").digest(password)) {
            hash.append(String.format("%02x", one));
        }
        String login = send("Login", "PS", hash.toString(), "M5", "1", "LC", "9326B87B234E7235");
        if (!login.contains("RES=0&RS=0")) {
            throw new IllegalStateException("not logged in: " + login);
        }
        send("CLTMSG", "UN", System.getenv("QQ_FRIEND"), "MG", System.getenv("QQ_TEXT"));
        send("GetMsgEx");
        send("Logout");
        System.out.println("done");
    }
}
