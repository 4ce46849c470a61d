// Seals, posts and opens packets of Setu with Java (17 or later) and one library, Bouncy Castle's bcprov-jdk18on.
//
//   java -cp bcprov-jdk18on-1.87.jar Setu.java send    FOLDER KIND PAYLOAD.json HANDLING.json READER...
//   java -cp bcprov-jdk18on-1.87.jar Setu.java receive FOLDER KIND         fetch, verify, open, acknowledge
//   java -cp bcprov-jdk18on-1.87.jar Setu.java check   FOLDER <lines       judge packets, receipts, acknowledgements, keys
//
// FOLDER is an agency's (README.md beside this folder). "Section" is one of ../../packet.md, where no other file is named.

import java.io.*;
import java.math.BigInteger;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.*;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.*;
import java.util.*;
import java.util.function.Predicate;
import java.util.regex.*;
import java.util.stream.*;
import javax.crypto.*;
import javax.crypto.spec.*;
import javax.net.ssl.*;
import org.bouncycastle.crypto.Signer;
import org.bouncycastle.crypto.agreement.*;
import org.bouncycastle.crypto.digests.SHAKEDigest;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.bouncycastle.crypto.kems.*;
import org.bouncycastle.crypto.params.*;
import org.bouncycastle.crypto.signers.*;
import org.bouncycastle.math.ec.rfc8032.Ed25519;

public final class Setu {
    static final SecureRandom RANDOM = new SecureRandom();

    static final class Refused extends RuntimeException {
        final String code;

        Refused(String code, String message) {
            super(message);
            this.code = code;
        }
    }

    static void must(boolean holds, String code, String message) {
        if (!holds) throw new Refused(code, message);
    }

    static void envelope(boolean holds, String message) {
        must(holds, "envelope-invalid", message);
    }

    // ---- Section 1: base64url, strict JSON, canonical JSON

    static byte[] join(byte[]... parts) {
        var all = new ByteArrayOutputStream();
        for (byte[] part : parts) all.writeBytes(part);
        return all.toByteArray();
    }

    static byte[] uint(int size, long value) {
        return Arrays.copyOfRange(ByteBuffer.allocate(8).putLong(value).array(), 8 - size, 8);
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] digest(String name, byte[]... parts) {
        try {
            return MessageDigest.getInstance(name).digest(join(parts));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    static byte[] sha384(String text) {
        return digest("SHA-384", utf8(text));
    }

    static byte[] shake(int size, byte[]... parts) {
        var shake = new SHAKEDigest(256);
        byte[] all = join(parts), out = new byte[size];
        shake.update(all, 0, all.length);
        shake.doFinal(out, 0, size);
        return out;
    }

    static String b64u(byte[] raw) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(raw);
    }

    static byte[] unb64u(Object text, int size) {
        byte[] raw = {};
        try {
            raw = Base64.getUrlDecoder().decode((String) text);
        } catch (ClassCastException | IllegalArgumentException | NullPointerException error) {
            envelope(false, "expected base64url");
        }
        envelope(b64u(raw).equals(text), "expected canonical base64url"); // Java takes padding and spare bits
        envelope(size < 0 || raw.length == size, "expected " + size + " bytes, found " + raw.length);
        return raw;
    }

    /** Strict JSON as TreeMap (sorted as RFC 8785 asks), List, String, Long, Boolean, null; Double for other numbers. */
    static final class Json {
        static final Pattern NUMBER = Pattern.compile("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");
        final String text, code;
        int at;

        Json(String text, String code) {
            this.text = text;
            this.code = code;
        }

        static Object parse(byte[] raw, String code) {
            try {
                var json = new Json(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(raw)).toString(), code);
                Object value = json.value(0);
                json.must(json.peek() == 0 && json.at == json.text.length());
                return value;
            } catch (CharacterCodingException error) {
                throw new Refused(code, "expected UTF-8");
            }
        }

        void must(boolean holds) {
            Setu.must(holds, code, "expected strict JSON");
        }

        char peek() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
            return at < text.length() ? text.charAt(at) : 0;
        }

        boolean take(char expected) {
            if (peek() != expected) return false;
            at++;
            return true;
        }

        Object value(int depth) {
            char next = peek();
            must(next != '{' && next != '[' || depth < 32);
            switch (next) {
                case '{':
                    var members = new TreeMap<String, Object>();
                    at++;
                    for (boolean first = true; !take('}'); first = false) {
                        must(first || take(','));
                        must(peek() == '"');
                        String name = string();
                        must(take(':') && !members.containsKey(name));
                        members.put(name, value(depth + 1));
                    }
                    return members;
                case '[':
                    var list = new ArrayList<Object>();
                    at++;
                    for (boolean first = true; !take(']'); first = false) {
                        must(first || take(','));
                        list.add(value(depth + 1));
                    }
                    return list;
                case '"':
                    return string();
                default:
                    for (var word : Map.of("true", true, "false", false).entrySet()) {
                        if (text.startsWith(word.getKey(), at)) {
                            at += word.getKey().length();
                            return word.getValue();
                        }
                    }
                    if (text.startsWith("null", at)) {
                        at += 4;
                        return null;
                    }
                    Matcher number = NUMBER.matcher(text).region(at, text.length());
                    must(number.lookingAt() && number.group().length() <= 64);
                    at = number.end();
                    if (number.group(2) == null && number.group(3) == null && number.group().length() <= 18) return Long.valueOf(number.group());
                    must(Double.isFinite(Double.parseDouble(number.group())));
                    return Double.valueOf(number.group());
            }
        }

        String string() {
            var out = new StringBuilder();
            for (at++; at < text.length(); at++) {
                char next = text.charAt(at);
                if (next == '"') {
                    at++;
                    must(StandardCharsets.UTF_8.newEncoder().canEncode(out)); // no lone surrogate
                    return out.toString();
                }
                must(next >= ' ' && (next != '\\' || ++at < text.length()));
                int escape = next == '\\' ? "\"\\/bfnrtu".indexOf(text.charAt(at)) : -1;
                must(next != '\\' || escape >= 0);
                if (escape == 8) {
                    must(text.substring(at).matches("(?s)u[0-9a-fA-F]{4}.*"));
                    out.append((char) HexFormat.fromHexDigits(text, at + 1, at + 5));
                    at += 4;
                } else out.append(escape < 0 ? next : "\"\\/\b\f\n\r\t".charAt(escape));
            }
            throw new Refused(code, "expected strict JSON");
        }
    }

    static String jcs(Object value) {
        if (value instanceof Map<?, ?> map) {
            return new TreeMap<>(map).entrySet().stream().map(each -> jcs(each.getKey()) + ":" + jcs(each.getValue()))
                .collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof List<?> list) {
            return list.stream().map(Setu::jcs).collect(Collectors.joining(",", "[", "]"));
        }
        if (!(value instanceof String text)) return String.valueOf(value); // all numbers of the format are integers
        var out = new StringBuilder("\"");
        for (char each : text.toCharArray()) {
            int escape = "\"\\\b\f\n\r\t".indexOf(each);
            if (escape >= 0) out.append('\\').append("\"\\bfnrt".charAt(escape));
            else if (each < ' ') out.append(String.format("\\u%04x", (int) each));
            else out.append(each);
        }
        return out.append('"').toString();
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value, String code) {
        must(value instanceof Map, code, "expected an object");
        return (Map<String, Object>) value;
    }

    static Map<String, Object> exactly(Object value, String... names) {
        var found = object(value, "envelope-invalid");
        envelope(found.keySet().equals(Set.of(names)), "expected exactly the members " + List.of(names));
        return found;
    }

    @SuppressWarnings("unchecked")
    static <T> T in(Object value, String... path) { // a member of what was checked before
        for (String name : path) value = ((Map<String, Object>) value).get(name);
        return (T) value;
    }

    // ---- Section 2: suites, of which the realm fixes one

    record Suite(String name, String wrap, List<String> sign, int[] signatureSizes, int kemId, MLKEMParameters lattice,
                 int latticeSize, int sealedSize, boolean x25519, int pointSize, byte[] label) {}

    static final List<Suite> SUITES = List.of(
        new Suite("hybrid-768", "HPKE-9-KE", List.of("Ed25519", "ML-DSA-65"), new int[] {64, 3309}, 0x647a,
            MLKEMParameters.ml_kem_768, 1184, 1088, true, 32, utf8("\\.//^\\")),
        new Suite("hybrid-1024", "HPKE-10-KE", List.of("ES384", "ML-DSA-87"), new int[] {96, 4627}, 0x0051,
            MLKEMParameters.ml_kem_1024, 1568, 1568, false, 97, utf8("MLKEM1024-P384")));

    static Suite suite(Object name) {
        return SUITES.stream().filter(each -> each.name.equals(name) || each.wrap.equals(name)).findFirst().orElse(null);
    }

    // ---- Section 3: keys

    static final ECDomainParameters P384 = new ECDomainParameters(CustomNamedCurves.getByName("P-384"));

    static MLDSAParameters mldsa(String alg) {
        return switch (alg) {
            case "ML-DSA-44" -> MLDSAParameters.ml_dsa_44;
            case "ML-DSA-65" -> MLDSAParameters.ml_dsa_65;
            case "ML-DSA-87" -> MLDSAParameters.ml_dsa_87;
            default -> throw new IllegalArgumentException(alg);
        };
    }

    /** One key, public or private. `lattice` and `point` are a wrap key's halves, `raw` the curve half's public bytes. */
    record Key(String alg, String kid, AsymmetricKeyParameter key, AsymmetricKeyParameter lattice, byte[] raw) {}

    static String thumbprint(String alg, byte[] raw) {
        var jwk = switch (alg) {
            case "Ed25519" -> Map.of("crv", "Ed25519", "kty", "OKP", "x", b64u(raw));
            case "ES384" -> Map.of("crv", "P-384", "kty", "EC", "x", b64u(Arrays.copyOfRange(raw, 1, 49)), "y", b64u(Arrays.copyOfRange(raw, 49, 97)));
            default -> Map.of("alg", alg, "kty", "AKP", "pub", b64u(raw));
        };
        return b64u(digest("SHA-256", utf8(jcs(jwk))));
    }

    static AsymmetricKeyParameter point(boolean x25519, byte[] raw) { // on its curve, not of low order; or an exception
        if (!x25519) {
            if (raw.length != 97 || raw[0] != 4) throw new IllegalArgumentException("expected an uncompressed point");
            return new ECPublicKeyParameters(P384.getCurve().decodePoint(raw), P384);
        }
        if (raw.length != 32) throw new IllegalArgumentException("expected 32 bytes");
        var found = new X25519PublicKeyParameters(raw);
        agree(new X25519PrivateKeyParameters(RANDOM), found); // throws where the secret is all zeros
        return found;
    }

    static byte[] agree(AsymmetricKeyParameter own, AsymmetricKeyParameter theirs) {
        if (own instanceof X25519PrivateKeyParameters) {
            var secret = new byte[32];
            var agreement = new X25519Agreement();
            agreement.init(own);
            agreement.calculateAgreement(theirs, secret, 0);
            return secret;
        }
        var agreement = new ECDHBasicAgreement();
        agreement.init(own);
        return fixed(agreement.calculateAgreement(theirs), 48);
    }

    static byte[] fixed(BigInteger value, int size) {
        byte[] raw = value.toByteArray(), out = new byte[size];
        int length = Math.min(raw.length, size);
        System.arraycopy(raw, raw.length - length, out, size - length, length);
        return out;
    }

    static byte[] half(byte[] raw, int from, int to) {
        return Arrays.copyOfRange(raw, from, to);
    }

    static Key publicKey(String alg, byte[] raw) {
        try {
            String kid = thumbprint(alg, raw);
            Suite suite = suite(alg);
            if (suite != null) {
                byte[] first = half(raw, 0, suite.latticeSize), second = half(raw, suite.latticeSize, raw.length);
                var lattice = new MLKEMPublicKeyParameters(suite.lattice, first);
                new MLKEMGenerator(RANDOM).generateEncapsulated(lattice); // throws for coefficients beyond the modulus
                return new Key(alg, kid, point(suite.x25519, second), lattice, second);
            }
            if (alg.equals("Ed25519")) { // not of small order, which other libraries take
                if (raw.length != 32 || !Ed25519.validatePublicKeyFull(raw, 0)) throw new IllegalArgumentException("no point");
                return new Key(alg, kid, new Ed25519PublicKeyParameters(raw), null, raw);
            }
            if (alg.equals("ES384")) return new Key(alg, kid, point(false, raw), null, raw);
            return new Key(alg, kid, new MLDSAPublicKeyParameters(mldsa(alg), raw), null, raw);
        } catch (RuntimeException error) {
            throw new Refused("key-unknown", "expected a sound " + alg + " public key");
        }
    }

    static Key privateKey(String alg, byte[] seed) {
        Suite suite = suite(alg);
        if (suite != null) {
            byte[] wide = shake(64 + (suite.x25519 ? 32 : 48), seed);
            var lattice = new MLKEMPrivateKeyParameters(suite.lattice, half(wide, 0, 64));
            var curve = scalar(suite.x25519, half(wide, 64, wide.length));
            byte[] raw = rawPublic(curve);
            return new Key(alg, thumbprint(alg, join(lattice.getPublicKey(), raw)), curve, lattice, raw);
        }
        AsymmetricKeyParameter key;
        byte[] raw;
        if (alg.equals("Ed25519")) {
            key = new Ed25519PrivateKeyParameters(seed);
            raw = ((Ed25519PrivateKeyParameters) key).generatePublicKey().getEncoded();
        } else if (alg.equals("ES384")) {
            var wide = new BigInteger(1, shake(56, utf8("setu1.es384\0"), seed));
            key = new ECPrivateKeyParameters(wide.mod(P384.getN().subtract(BigInteger.ONE)).add(BigInteger.ONE), P384);
            raw = rawPublic(key);
        } else {
            key = new MLDSAPrivateKeyParameters(mldsa(alg), seed);
            raw = ((MLDSAPrivateKeyParameters) key).getPublicKey();
        }
        return new Key(alg, thumbprint(alg, raw), key, null, raw);
    }

    static AsymmetricKeyParameter scalar(boolean x25519, byte[] raw) {
        return x25519 ? new X25519PrivateKeyParameters(raw) : new ECPrivateKeyParameters(new BigInteger(1, raw), P384);
    }

    static AsymmetricKeyParameter freshKey(boolean x25519) {
        if (x25519) return new X25519PrivateKeyParameters(RANDOM);
        var wide = new BigInteger(448, RANDOM); // FIPS 186-5, section A.2.1
        return new ECPrivateKeyParameters(wide.mod(P384.getN().subtract(BigInteger.ONE)).add(BigInteger.ONE), P384);
    }

    static byte[] rawPublic(AsymmetricKeyParameter own) {
        if (own instanceof X25519PrivateKeyParameters key) return key.generatePublicKey().getEncoded();
        return P384.getG().multiply(((ECPrivateKeyParameters) own).getD()).getEncoded(false);
    }

    // ---- Sections 5 and 6: padding, commitment

    static int padme(int size) {
        int exponent = 31 - Integer.numberOfLeadingZeros(size);
        int mask = (1 << Math.max(exponent - (32 - Integer.numberOfLeadingZeros(exponent)), 0)) - 1;
        return (size + mask) & ~mask;
    }

    static byte[] pack(byte[] r, byte[] payload) {
        byte[] plain = new byte[32 + Math.max(1024, padme(4 + payload.length))];
        ByteBuffer.wrap(plain).put(r).putInt(payload.length).put(payload);
        return plain;
    }

    static byte[] commitment(Map<String, Object> header, byte[] plain) throws GeneralSecurityException {
        var bare = new TreeMap<>(header);
        bare.remove("commitment");
        var mac = Mac.getInstance("HmacSHA384");
        mac.init(new SecretKeySpec(plain, 0, 32, "HmacSHA384"));
        return mac.doFinal(join(utf8("setu1.commit\0"), sha384(jcs(bare)), half(plain, 32, plain.length)));
    }

    // ---- Section 7: content encryption, key wrap

    static byte[] gcm(int mode, byte[] key, byte[] iv, byte[] aad, byte[] text) throws GeneralSecurityException {
        var cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
        cipher.updateAAD(aad);
        try {
            return cipher.doFinal(text);
        } catch (AEADBadTagException error) {
            throw new Refused("wrap-invalid", "expected the wrap and the content to open");
        }
    }

    static byte[] infoOf(String aad) {
        byte[] ff = {(byte) 0xff};
        return join(utf8("JOSE-HPKE rcpt"), ff, utf8("A256GCM"), ff, utf8("setu1"), sha384(aad));
    }

    static byte[] lp(byte[] value) {
        return join(uint(2, value.length), value);
    }

    /** 7.1 or 7.2, the combiner; then 7.3: key || nonce. */
    static byte[] schedule(Suite suite, byte[] latticeSecret, byte[] curveSecret, byte[] sent, byte[] theirs, byte[] info) {
        byte[] ss = digest("SHA3-256", latticeSecret, curveSecret, sent, theirs, suite.label), none = {};
        byte[] id = join(utf8("HPKE"), uint(2, suite.kemId), uint(2, 0x0011), uint(2, 0x0002));
        return shake(108, lp(none), lp(ss), utf8("HPKE-v1"), id, lp(utf8("secret")), uint(2, 108), uint(1, 0), lp(none), lp(info));
    }

    static Map<String, Object> wrap(Suite suite, Key reader, byte[] contentKey, byte[] info) throws GeneralSecurityException {
        var sealed = new MLKEMGenerator(RANDOM).generateEncapsulated(reader.lattice);
        var fresh = freshKey(suite.x25519);
        byte[] sent = rawPublic(fresh);
        byte[] secret = schedule(suite, sealed.getSecret(), agree(fresh, reader.key), sent, reader.raw, info);
        byte[] encryptedKey = gcm(Cipher.ENCRYPT_MODE, half(secret, 0, 32), half(secret, 32, 44), new byte[0], contentKey); // 7.4
        var header = Map.of("alg", reader.alg, "kid", reader.kid, "ek", b64u(join(sealed.getEncapsulation(), sent)));
        return Map.of("header", header, "encrypted_key", b64u(encryptedKey));
    }

    static byte[] unwrap(Suite suite, Key own, byte[] ek, byte[] encryptedKey, byte[] info) throws GeneralSecurityException {
        byte[] sent = half(ek, suite.sealedSize, ek.length);
        byte[] curveSecret = agree(own.key, point(suite.x25519, sent));
        byte[] shared = new MLKEMExtractor((MLKEMPrivateKeyParameters) own.lattice).extractSecret(half(ek, 0, suite.sealedSize));
        byte[] secret = schedule(suite, shared, curveSecret, sent, own.raw, info);
        return gcm(Cipher.DECRYPT_MODE, half(secret, 0, 32), half(secret, 32, 44), new byte[0], encryptedKey);
    }

    // ---- Section 8: manifest, signatures

    static String manifest(Map<String, Object> jwe) {
        var strings = new ArrayList<String>(List.of("setu1.manifest"));
        for (String name : List.of("protected", "aad", "iv", "ciphertext", "tag")) strings.add(in(jwe, name));
        for (Object each : Setu.<List<Object>>in(jwe, "recipients")) {
            for (String name : List.of("alg", "kid", "ek")) strings.add(in(each, "header", name));
            strings.add(in(each, "encrypted_key"));
        }
        var netstrings = new StringBuilder();
        for (String each : strings) netstrings.append(utf8(each).length).append(':').append(each).append(',');
        String aad = in(jwe, "aad");
        return jcs(Map.of("v", "setu1", "hdr", b64u(sha384(aad)), "jwe", b64u(sha384(netstrings.toString()))));
    }

    static Signer signer(Key key) {
        return key.alg.equals("Ed25519") ? new Ed25519Signer() : new MLDSASigner();
    }

    static byte[] sign(Key key, byte[] message) throws Exception {
        if (key.alg.equals("ES384")) {
            var signer = new ECDSASigner();
            signer.init(true, new ParametersWithRandom(key.key, RANDOM));
            BigInteger[] rs = signer.generateSignature(digest("SHA-384", message));
            return join(fixed(rs[0], 48), fixed(rs[1], 48));
        }
        Signer signer = signer(key);
        signer.init(true, key.alg.equals("Ed25519") ? key.key : new ParametersWithRandom(key.key, RANDOM));
        signer.update(message, 0, message.length);
        return signer.generateSignature();
    }

    static boolean verifies(Key key, byte[] message, byte[] signature) {
        if (key.alg.equals("ES384")) {
            var signer = new ECDSASigner();
            signer.init(false, key.key);
            return signer.verifySignature(digest("SHA-384", message), new BigInteger(1, half(signature, 0, 48)), new BigInteger(1, half(signature, 48, 96)));
        }
        Signer signer = signer(key);
        signer.init(false, key.key);
        signer.update(message, 0, message.length);
        return signer.verifySignature(signature);
    }

    record Signed(String alg, String kid, String over, byte[] bytes) {}

    static void signature(boolean holds, String message) {
        must(holds, "signature-invalid", message);
    }

    static List<Signed> readSignatures(Object found, String typ) {
        signature(found instanceof List<?> list && list.size() == 2, "expected exactly two signatures");
        return ((List<?>) found).stream().map(each -> {
            var one = exactly(each, "protected", "signature");
            byte[] raw = unb64u(one.get("protected"), -1);
            var header = object(Json.parse(raw, "envelope-invalid"), "envelope-invalid");
            signature(!header.containsKey("crit") && !header.containsKey("b64"), "expected no critical extension");
            must(header.keySet().stream().noneMatch(name -> name.matches("jwk|jku|x5.*")), "key-unknown", "expected a key named by its kid alone");
            must(bytes(32).test(header.get("kid")), "key-unknown", "expected a kid that is a thumbprint");
            exactly(header, "alg", "kid", "typ");
            signature(typ.equals(header.get("typ")), "expected a signature of typ " + typ);
            envelope(header.get("alg") instanceof String && Arrays.equals(utf8(jcs(header)), raw), "expected a canonical protected header");
            signature(!"".equals(one.get("signature")), "expected a signature, found none");
            return new Signed(in(header, "alg"), in(header, "kid"), in(one, "protected"), unb64u(one.get("signature"), -1));
        }).toList();
    }

    /** The suite's two algorithms in order, the kids that `sig` names, exact sizes. */
    static void checkSuite(List<Signed> both, Suite suite, List<String> sig) {
        signature(both.stream().map(Signed::alg).toList().equals(suite.sign), "expected the suite's two algorithms, in order");
        signature(both.stream().map(Signed::kid).toList().equals(sig), "expected the kids that `sig` names");
        for (int n = 0; n < 2; n++) envelope(both.get(n).bytes.length == suite.signatureSizes[n], "expected signatures of exact size");
    }

    // ---- What a header and an acknowledgement's body are (sections 4 and 11)

    static final Pattern AGENCY = Pattern.compile("(?=.{1,32}$)[a-z]{2}(-[a-z0-9]+)+");
    static final Pattern UUID = Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
    static final Pattern UUID7 = Pattern.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");

    static Predicate<Object> text(Pattern form) {
        return value -> value instanceof String text && form.matcher(text).matches();
    }

    static Predicate<Object> text(String form) {
        return text(Pattern.compile(form));
    }

    static Predicate<Object> bytes(int size) {
        return value -> {
            try {
                return unb64u(value, size).length == size;
            } catch (Refused error) {
                return false;
            }
        };
    }

    static Predicate<Object> integer(long low, long high) {
        return value -> value instanceof Long number && low <= number && number <= high;
    }

    static Predicate<Object> list(int low, int high, Predicate<Object> each) {
        return value -> value instanceof List<?> list && low <= list.size() && list.size() <= high && list.stream().allMatch(each);
    }

    static Predicate<Object> of(Map<String, Predicate<Object>> members, Map<String, Predicate<Object>> optional) {
        return value -> value instanceof Map<?, ?> map && map.keySet().containsAll(members.keySet())
            && map.entrySet().stream().allMatch(each -> members.getOrDefault(each.getKey(), optional.getOrDefault(each.getKey(), x -> false)).test(each.getValue()));
    }

    static final Predicate<Object> SECONDS = integer(0, (1L << 53) - 1), MAP = value -> value instanceof Map, KIDS = list(2, 2, bytes(32));
    static final Predicate<Object> AUDIENCE = of(Map.of("realm", bytes(48), "gateway", text(AGENCY)), Map.of());
    static final Predicate<Object> HEADER = of(Map.ofEntries(
        Map.entry("v", text("setu1")), Map.entry("id", text(UUID7)), Map.entry("aud", AUDIENCE), Map.entry("from", text(AGENCY)),
        Map.entry("to", list(1, 65, of(Map.of("agency", text(AGENCY), "kid", bytes(32)), Map.of()))),
        Map.entry("suite", name -> name instanceof String text && text.startsWith("hybrid-") && suite(name) != null),
        Map.entry("kind", text("(?=.{1,32}$)[a-z]+(-[a-z]+)*")), Map.entry("kind_version", integer(1, 999)), Map.entry("handling", MAP),
        Map.entry("precedence", text("ROUTINE|PRIORITY|IMMEDIATE|FLASH")), Map.entry("exercise", value -> value instanceof Boolean),
        Map.entry("thread", text(UUID)), Map.entry("iat", SECONDS), Map.entry("exp", SECONDS), Map.entry("commitment", bytes(48)),
        Map.entry("sig", KIDS)), Map.of("in_reply_to", bytes(48), "act", MAP,
        "sources", value -> list(1, 16, bytes(48)).test(value) && Set.copyOf((List<?>) value).size() == ((List<?>) value).size()));
    static final Predicate<Object> BODY = of(Map.of(
        "v", text("setu1\\.ack"), "aud", AUDIENCE, "by", text(AGENCY), "event", text("received|opened|rejected"), "at", SECONDS,
        "packet", of(Map.of("from", text(AGENCY), "id", text(UUID), "digest", bytes(48), "index", SECONDS), Map.of()), "sig", KIDS),
        Map.of("reason", text("[a-z0-9-]+")));

    /** What is signed has only integers from 0 to 2^53 - 1, ASCII names, no null. */
    static boolean signable(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream().allMatch(each -> ((String) each.getKey()).matches("\\p{ASCII}*") && signable(each.getValue()));
        }
        if (value instanceof List<?> list) return list.stream().allMatch(Setu::signable);
        return value instanceof Number ? SECONDS.test(value) : value != null;
    }

    static Map<String, Object> readSigned(Object text, Predicate<Object> schema) {
        byte[] raw = unb64u(text, -1);
        Object value = Json.parse(raw, "envelope-invalid");
        must(schema.test(value) && signable(value), "schema", "expected a header, or a body, of the schema");
        envelope(Arrays.equals(utf8(jcs(value)), raw), "expected the canonical form (RFC 8785)");
        return object(value, "schema");
    }

    // ---- The agency's folder: its settings, keys, certificate; and the directory, verified

    final String agency, gateway, url, realm, directoryHash;
    final Map<String, Object> directory;
    final Suite suite;
    final List<Key> keys = new ArrayList<>(), sign;
    final HttpClient client;

    Setu(Path folder) throws Exception {
        String settings = Files.readString(folder.resolve("agency.toml"));
        agency = setting(settings, "agency");
        gateway = setting(settings, "gateway");
        url = setting(settings, "url");
        realm = b64u(digest("SHA-384", Files.readAllBytes(folder.resolve("root.json"))));
        byte[] document = Files.readAllBytes(folder.resolve("directory.json"));
        directoryHash = b64u(digest("SHA-384", document));
        directory = object(Json.parse(document, "json-invalid"), "schema");
        suite = suite(directory.get("suite"));
        Path daily = folder.resolve("wrap-keys.json"); // ../../directory.md, "A gateway's wrap keys"
        if (Files.exists(daily)) {
            Object own = Json.parse(Files.readAllBytes(daily), "json-invalid");
            for (Object row : Setu.<List<Object>>in(directory, "agencies"))
                if (in(own, "gateway").equals(in(row, "id"))) Setu.<List<Object>>in(row, "keys").addAll(Setu.<List<Object>>in(own, "keys"));
        }
        try (Stream<Path> files = Files.list(folder.resolve("keys"))) {
            for (Path path : files.filter(each -> each.toString().endsWith(".key")).toList()) {
                Object file = Json.parse(Files.readAllBytes(path), "json-invalid");
                Key key = privateKey(in(file, "alg"), unb64u(in(file, "seed"), 32));
                if (!key.kid.equals(in(file, "kid"))) throw new IOException("Expected in " + path + " the kid of its seed, found another.");
                keys.add(key);
            }
        }
        sign = suite.sign.stream().map(alg -> keys.stream().filter(key -> key.alg.equals(alg)).findFirst().orElseThrow()).toList();
        client = client(folder);
    }

    static String setting(String settings, String name) throws IOException {
        Matcher found = Pattern.compile("(?m)^" + name + " = \"(.*)\"$").matcher(settings);
        if (!found.find()) throw new IOException("Expected " + name + " = \"...\" in agency.toml, found none.");
        return found.group(1);
    }

    /** ../../http.md: TLS 1.3 with the agency's certificate. */
    static HttpClient client(Path folder) throws Exception {
        var factory = CertificateFactory.getInstance("X.509");
        String key = Files.readString(folder.resolve("tls.key")).replaceAll("-----[A-Z ]+-----|\\s", "");
        var store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (var own = Files.newInputStream(folder.resolve("tls.pem")); var roots = Files.newInputStream(folder.resolve("gateway-ca.pem"))) {
            Certificate[] chain = factory.generateCertificates(own).toArray(new Certificate[0]);
            var secret = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(key)));
            store.setKeyEntry("own", secret, new char[0], chain);
            for (Certificate each : factory.generateCertificates(roots)) store.setCertificateEntry("ca " + each.hashCode(), each);
        }
        var mine = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        mine.init(store, new char[0]);
        var theirs = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        theirs.init(store);
        var context = SSLContext.getInstance("TLS");
        context.init(mine.getKeyManagers(), theirs.getTrustManagers(), RANDOM);
        return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(context)
            .sslParameters(new SSLParameters(null, new String[] {"TLSv1.3"})).connectTimeout(Duration.ofSeconds(10)).build();
    }

    /** A public key of the directory (../../directory.md, "Look-up"); the newest where several fit. */
    Key directoryKey(String agency, String use, Predicate<Object> fits, long at) {
        Map<String, Object> newest = null;
        for (Object row : Setu.<List<Object>>in(directory, "agencies")) {
            for (Object each : agency.equals(in(row, "id")) ? Setu.<List<Object>>in(row, "keys") : List.of()) {
                Map<String, Object> key = in(each);
                long from = in(key, "not_before"), until = in(key, "not_after");
                boolean good = use.equals(key.get("use")) && "active".equals(key.get("state")) && from <= at && at < until && fits.test(key);
                if (good && (newest == null || from > Setu.<Long>in(newest, "not_before"))) newest = key;
            }
        }
        must(newest != null, "key-unknown", "expected a key of the agency for this use, good at that time");
        Key found = publicKey(in(newest, "alg"), unb64u(newest.get("public"), -1));
        must(found.kid.equals(newest.get("kid")), "key-unknown", "expected a kid that is the thumbprint of its key");
        return found;
    }

    List<Object> signBoth(String payload, String typ) throws Exception {
        var both = new ArrayList<>();
        for (Key key : sign) {
            String header = b64u(utf8(jcs(Map.of("alg", key.alg, "kid", key.kid, "typ", typ))));
            both.add(Map.of("protected", header, "signature", b64u(sign(key, utf8(header + "." + payload)))));
        }
        return both;
    }

    void checkSignatures(List<Signed> both, String payload, String agency, long at) { // both, each by itself
        for (Signed each : both) {
            Key key = directoryKey(agency, "sign", row -> each.kid.equals(in(row, "kid")) && each.alg.equals(in(row, "alg")), at);
            signature(verifies(key, utf8(each.over + "." + payload), each.bytes), "expected the " + each.alg + " signature to verify");
        }
    }

    // ---- Section 10: what a sender does

    static final String JWE_HEADER = b64u(utf8("{\"enc\":\"A256GCM\",\"typ\":\"setu1+jwe\"}"));

    record Sealed(Map<String, Object> packet, Map<String, Object> header, String digest) {}

    Sealed seal(String kind, byte[] payload, Object handling, List<String> readers, long now) throws Exception {
        // 1. The readers' wrap keys from the directory in force. Name the gateway too, and it can check the content.
        var wraps = readers.stream().map(each -> directoryKey(each, "wrap", row -> suite.wrap.equals(in(row, "alg")), now)).toList();
        // 2. Draw r, content key and iv. Plain, HDR without commitment, commitment, HDR, aad.
        byte[] r = random(32), contentKey = random(32), iv = random(12), plain = pack(r, payload);
        Map<String, Object> header = new TreeMap<>(Map.of(
            "v", "setu1", "id", uuid7(), "aud", Map.of("realm", realm, "gateway", gateway), "from", agency, "suite", suite.name,
            "kind", kind, "kind_version", 1L, "handling", handling, "precedence", "ROUTINE", "exercise", false));
        header.put("to", IntStream.range(0, wraps.size()).mapToObj(n -> Map.of("agency", readers.get(n), "kid", wraps.get(n).kid)).toList());
        header.putAll(Map.of("thread", uuid7(), "iat", now, "exp", now + 86400, "sig", sign.stream().map(Key::kid).toList()));
        header.put("commitment", b64u(commitment(header, plain)));
        String aad = b64u(utf8(jcs(header)));
        // 3. Encrypt, wrap for each reader in order, build MAN, sign twice.
        byte[] sealed = gcm(Cipher.ENCRYPT_MODE, contentKey, iv, utf8(JWE_HEADER + "." + aad), plain);
        var recipients = new ArrayList<>();
        for (Key key : wraps) recipients.add(wrap(suite, key, contentKey, infoOf(aad)));
        Map<String, Object> jwe = Map.of("protected", JWE_HEADER, "aad", aad, "iv", b64u(iv), "recipients", recipients,
            "ciphertext", b64u(half(sealed, 0, plain.length)), "tag", b64u(half(sealed, plain.length, sealed.length)));
        String man = manifest(jwe), signed = b64u(utf8(man));
        var jws = Map.of("payload", signed, "signatures", signBoth(signed, "setu1+jws"));
        return new Sealed(Map.of("jwe", jwe, "jws", jws), header, b64u(sha384(man)));
    }

    static byte[] random(int size) {
        byte[] raw = new byte[size];
        RANDOM.nextBytes(raw);
        return raw;
    }

    static String uuid7() { // RFC 9562, section 5.7
        byte[] raw = join(uint(6, System.currentTimeMillis()), random(10));
        raw[6] = (byte) (0x70 | raw[6] & 0x0f);
        raw[8] = (byte) (0x80 | raw[8] & 0x3f);
        return HexFormat.of().formatHex(raw).replaceFirst("(.{8})(.{4})(.{4})(.{4})", "$1-$2-$3-$4-");
    }

    // ---- Section 9: the verification recipe

    record Verified(Map<String, Object> header, Map<String, Object> jwe, String digest) {}

    /** Steps 1 to 5; `at`: seconds, the time of the packet's ledger entry. */
    Verified verify(Object packet, long at) {
        // 1. Shape: exactly these members, canonical base64url, exact sizes.
        exactly(packet, "jwe", "jws");
        var jwe = exactly(in(packet, "jwe"), "protected", "aad", "iv", "ciphertext", "tag", "recipients");
        envelope(JWE_HEADER.equals(jwe.get("protected")), "expected the one protected header of a JWE");
        envelope(list(1, 65, MAP).test(jwe.get("recipients")), "expected 1 to 65 recipients");
        List<Object> recipients = in(jwe, "recipients");
        unb64u(jwe.get("iv"), 12);
        unb64u(jwe.get("tag"), 16);
        int body = unb64u(jwe.get("ciphertext"), -1).length - 32;
        for (Object each : recipients) {
            exactly(each, "header", "encrypted_key");
            exactly(in(each, "header"), "alg", "kid", "ek");
            envelope(in(each, "header", "alg") instanceof String, "expected the name of a key wrap");
            unb64u(in(each, "header", "kid"), 32);
            unb64u(in(each, "header", "ek"), -1);
            unb64u(in(each, "encrypted_key"), 48);
        }
        Map<String, Object> jws = new TreeMap<>(object(in(packet, "jws"), "envelope-invalid"));
        jws.putIfAbsent("signatures", List.of());
        exactly(jws, "payload", "signatures");
        var both = readSignatures(jws.get("signatures"), "setu1+jws");
        // 2. Manifest: MAN recomputed from the received strings equals the JWS payload.
        unb64u(jwe.get("aad"), -1);
        String man = manifest(jwe), payload = b64u(utf8(man));
        envelope(payload.equals(jws.get("payload")), "expected the manifest of this JWE");
        // 3. Header: HDR parses, is its schema, is canonical; algorithms and kids; `aud` is mine, `suite` the realm's.
        envelope(Setu.<String>in(jwe, "aad").length() <= 16384 * 4 / 3, "expected a header of at most 16,384 bytes");
        var header = readSigned(jwe.get("aad"), HEADER);
        Suite its = suite(header.get("suite"));
        checkSuite(both, its, in(header, "sig"));
        must(Map.of("realm", realm, "gateway", gateway).equals(header.get("aud")), "wrong-audience", "expected a packet for this realm and gateway");
        must(its == suite, "wrong-suite", "expected the realm's suite");
        // 1 again: the sizes that the suite sets; an `ek` is sound.
        envelope(body >= 1024 && padme(body) == body, "expected a padded size");
        for (Object each : recipients) {
            envelope(suite.wrap.equals(in(each, "header", "alg")), "expected the suite's key wrap");
            byte[] ek = unb64u(in(each, "header", "ek"), suite.sealedSize + suite.pointSize);
            try {
                point(suite.x25519, half(ek, suite.sealedSize, ek.length));
            } catch (RuntimeException error) {
                envelope(false, "expected a sound curve point");
            }
        }
        // 5. Readers: `to` and `recipients` agree one to one, in order; no agency and no kid twice.
        List<Object> to = in(header, "to");
        var kids = to.stream().map(each -> in(each, "kid")).toList();
        var agencies = to.stream().map(each -> in(each, "agency")).toList();
        envelope(kids.equals(recipients.stream().map(each -> in(each, "header", "kid")).toList()), "expected a wrap for each reader, in order");
        envelope(new HashSet<>(agencies).size() == to.size() && new HashSet<>(kids).size() == to.size(), "expected each agency and each kid once");
        long others = agencies.stream().filter(each -> !gateway.equals(each)).count();
        envelope(others >= 1 && others <= 64, "expected 1 to 64 recipients beside the gateway");
        // 4. Signatures: both verify over the received bytes, each with the directory's key, and each by itself.
        checkSignatures(both, payload, in(header, "from"), at);
        return new Verified(header, jwe, b64u(sha384(man)));
    }

    Object open(Verified packet) throws GeneralSecurityException {
        // 7. Open: I am in `to`; unwrap, decrypt, recompute the commitment in constant time, unpad strictly.
        List<Object> to = in(packet.header, "to"), recipients = in(packet.jwe, "recipients");
        int place = to.stream().map(each -> in(each, "agency")).toList().indexOf(agency);
        Key own = place < 0 ? null : keys.stream().filter(key -> key.lattice != null && key.kid.equals(in(to.get(place), "kid"))).findFirst().orElse(null);
        must(own != null, "not-for-me", "expected a packet wrapped to a key of mine");
        String aad = in(packet.jwe, "aad");
        Object mine = recipients.get(place);
        byte[] contentKey = unwrap(suite, own, unb64u(in(mine, "header", "ek"), -1), unb64u(in(mine, "encrypted_key"), -1), infoOf(aad));
        byte[] sealed = join(unb64u(packet.jwe.get("ciphertext"), -1), unb64u(packet.jwe.get("tag"), -1));
        byte[] plain = gcm(Cipher.DECRYPT_MODE, contentKey, unb64u(packet.jwe.get("iv"), -1), utf8(JWE_HEADER + "." + aad), sealed);
        boolean same = MessageDigest.isEqual(commitment(packet.header, plain), unb64u(packet.header.get("commitment"), 48));
        must(same, "commitment-mismatch", "expected the content that was signed");
        int length = ByteBuffer.wrap(plain).getInt(32);
        envelope(length >= 0 && length <= plain.length - 36, "expected the length of the payload");
        byte[] payload = half(plain, 36, 36 + length);
        envelope(Arrays.equals(pack(half(plain, 0, 32), payload), plain), "expected padding with zeros");
        return Json.parse(payload, "json-invalid");
    }

    // ---- ../../ledger.md, section 5: the receipt of an `accepted` or `acknowledged` entry

    record Receipt(Map<String, Object> entry, long index, long at) {}

    static void receipted(boolean holds, String message) {
        must(holds, "receipt-invalid", message);
    }

    static final Pattern NOTE = Pattern.compile("((.+)\n(0|[1-9][0-9]{0,15})\n(.+)\n)\n((?:\u2014 .+\n)+)");

    Receipt readReceipt(Object receipt) throws IOException {
        Predicate<Object> schema = of(Map.of("v", text("setu1\\.receipt"), "entry", value -> value instanceof String, "index", SECONDS,
            "path", list(0, 64, bytes(32)), "checkpoint", value -> value instanceof String), Map.of());
        receipted(schema.test(receipt), "expected a receipt");
        // 1. The checkpoint is of the log's origin. A key of the log signed it at most once, and what it signed verifies; both
        // keys of one pair did, the current or a former one that counts up to a log of that size.
        Object log = Setu.<List<Object>>in(directory, "logs").stream().filter(each -> gateway.equals(in(each, "gateway"))).findFirst().orElseThrow();
        String origin = in(log, "origin");
        Matcher note = NOTE.matcher(Setu.<String>in(receipt, "checkpoint"));
        receipted(note.matches() && note.group(2).equals(origin), "expected a checkpoint of the log that the directory names");
        long size = Long.parseLong(note.group(3));
        byte[] root = base64(note.group(4));
        receipted(root.length == 32, "expected a root of 32 bytes");
        byte[] name = join(uint(1, origin.length()), utf8(origin));
        byte[] cosigned = join(utf8("subtree/v1\n\0"), name, uint(8, 0), name, uint(8, 0), uint(8, size), root);
        boolean counts = false;
        List<Object> pairs = new ArrayList<>(List.of(log));
        if (((Map<?, ?>) log).containsKey("former")) pairs.addAll(Setu.<List<Object>>in(log, "former"));
        for (Object pair : pairs) {
            boolean classical = signed(note.group(5), origin, in(pair, "ed25519"), "Ed25519", utf8(note.group(1)), new byte[0]);
            boolean quantum = signed(note.group(5), origin, in(pair, "mldsa44"), "ML-DSA-44", cosigned, uint(8, 0));
            counts |= classical && quantum && (!((Map<?, ?>) pair).containsKey("size") || size <= Setu.<Long>in(pair, "size"));
        }
        receipted(counts, "expected both signatures of a pair of the log that counts at this size");
        // 2. Leaf hash, index and path lead to the root (../../ledger.md, section 2; RFC 9162, section 2.1.3.2).
        byte[] raw = unb64u(in(receipt, "entry"), -1), hash = digest("SHA-256", uint(1, 0), raw);
        long index = in(receipt, "index"), fn = index, sn = size - 1;
        receipted(fn <= sn, "expected an index within the tree");
        for (Object each : Setu.<List<Object>>in(receipt, "path")) {
            byte[] step = unb64u(each, 32);
            receipted(sn > 0, "expected a shorter path");
            if (fn % 2 == 1 || fn == sn) {
                hash = digest("SHA-256", uint(1, 1), step, hash);
                for (; fn % 2 == 0 && fn != 0; fn /= 2) sn /= 2;
            } else {
                hash = digest("SHA-256", uint(1, 1), hash, step);
            }
            fn /= 2;
            sn /= 2;
        }
        receipted(sn == 0 && Arrays.equals(hash, root), "expected the path to lead to the root");
        // 3. Strict JSON. 5. The directory is one's own copy of that version; another hash for it is an alarm.
        var entry = object(Json.parse(raw, "receipt-invalid"), "receipt-invalid");
        long version = in(entry, "directory", "version"), held = in(directory, "version");
        if (version != held) throw new IOException("The receipt needs directory version " + version + ", directory.json is " + held + ": fetch that version.");
        if (!directoryHash.equals(in(entry, "directory", "hash"))) throw new IOException("ALARM: two directories of version " + version + ". Stop, keep the receipt, tell the other agencies.");
        return new Receipt(entry, index, Instant.parse(Setu.<String>in(entry, "time")).getEpochSecond());
    }

    static byte[] base64(String text) {
        try {
            byte[] raw = Base64.getDecoder().decode(text);
            receipted(Base64.getEncoder().encodeToString(raw).equals(text), "expected canonical base64");
            return raw;
        } catch (IllegalArgumentException error) {
            throw new Refused("receipt-invalid", "expected base64");
        }
    }

    static boolean signed(String lines, String origin, String vkey, String alg, byte[] message, byte[] before) {
        byte[] typed = base64(vkey.split("\\+", 3)[2]), id = half(digest("SHA-256", utf8(origin + "\n"), typed), 0, 4);
        byte[] start = join(id, before);
        var mine = lines.lines().map(line -> line.split(" ")).filter(line -> line.length == 3 && line[1].equals(origin)).map(line -> base64(line[2]))
            .filter(bytes -> bytes.length > 4 && Arrays.equals(half(bytes, 0, 4), id)).toList();
        if (mine.isEmpty()) return false;
        receipted(mine.size() == 1 && Arrays.equals(half(mine.get(0), 0, start.length), start), "expected one " + alg + " signature of the log");
        boolean good = verifies(publicKey(alg, half(typed, 1, typed.length)), message, half(mine.get(0), start.length, mine.get(0).length));
        receipted(good, "expected the log's " + alg + " signature to verify");
        return true;
    }

    void expect(Receipt receipt, String type, String actor, Object from, Object id, Object digest) { // 4. It is the entry one expects.
        var entry = receipt.entry;
        receipted(type.equals(entry.get("type")) && actor.equals(entry.get("actor")), "expected an entry " + type + " of " + actor);
        receipted(Map.of("realm", realm, "gateway", gateway).equals(entry.get("aud")), "expected an entry of this log");
        receipted(from.equals(in(entry, "packet", "from")) && id.equals(in(entry, "packet", "id")) && digest.equals(in(entry, "packet", "digest")), "expected the entry of this packet");
    }

    // ---- Section 11: acknowledgements

    Map<String, Object> acknowledge(Receipt receipt, String event, String reason) throws Exception {
        Map<String, Object> named = in(receipt.entry, "packet");
        Map<String, Object> body = new TreeMap<>(Map.of("v", "setu1.ack", "aud", receipt.entry.get("aud"), "by", agency, "event", event,
            "at", Instant.now().getEpochSecond(), "sig", sign.stream().map(Key::kid).toList(),
            "packet", Map.of("from", named.get("from"), "id", named.get("id"), "digest", named.get("digest"), "index", receipt.index)));
        if (reason != null) body.put("reason", reason);
        String payload = b64u(utf8(jcs(body)));
        return Map.of("payload", payload, "signatures", signBoth(payload, "setu1+ack"));
    }

    Map<String, Object> verifyAcknowledgement(Object acknowledgement, long at) {
        exactly(acknowledgement, "payload", "signatures");
        var both = readSignatures(in(acknowledgement, "signatures"), "setu1+ack");
        var body = readSigned(in(acknowledgement, "payload"), BODY);
        must("rejected".equals(body.get("event")) == body.containsKey("reason"), "schema", "expected a reason with `rejected`, and only then");
        checkSuite(both, suite, in(body, "sig"));
        must(Map.of("realm", realm, "gateway", gateway).equals(body.get("aud")), "wrong-audience", "expected an acknowledgement for this realm and gateway");
        checkSignatures(both, in(acknowledgement, "payload"), in(body, "by"), at);
        return body;
    }

    // ---- The three commands

    record Answer(int status, Object body) {}

    Answer ask(String path, String content) throws IOException, InterruptedException {
        var asked = HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofMinutes(1));
        if (content != null) asked.header("Content-Type", "application/vnd.setu.packet+json").POST(HttpRequest.BodyPublishers.ofString(content));
        var answer = client.send(asked.build(), HttpResponse.BodyHandlers.ofByteArray());
        return new Answer(answer.statusCode(), Json.parse(answer.body(), "json-invalid"));
    }

    static Refused refusal(Answer answer) {
        String why = "The gateway answers " + answer.status + ": " + in(answer.body, "detail");
        if (in(answer.body, "rules") instanceof List<?> rules) { // of the release policy: what stood against whom, and what would change it
            for (Object hit : rules) why += "\n  " + in(hit, "rule") + " (" + in(hit, "recipient") + "): " + in(hit, "sentence") + " " + in(hit, "remedy");
        }
        return new Refused(in(answer.body, "code"), why);
    }

    Object post(String path, Object content) throws IOException, InterruptedException {
        String body = jcs(content);
        for (int tries = 1; ; tries++) { // a lost answer, 429 or 503: the same bytes again; that is always safe
            try {
                Answer answer = ask(path, body);
                if (answer.status == 200 || answer.status == 201) return answer.body;
                if (tries == 5 || answer.status != 429 && answer.status != 503) throw refusal(answer);
            } catch (IOException error) {
                if (tries == 5) throw error;
            }
            Thread.sleep(1000L * tries);
        }
    }

    static void say(Map<String, ?> object) {
        System.out.println(jcs(object));
    }

    void send(String kind, Path payload, Path handling, List<String> readers) throws Exception {
        Object marking = Json.parse(Files.readAllBytes(handling), "json-invalid");
        Sealed sealed = seal(kind, Files.readAllBytes(payload), marking, readers, Instant.now().getEpochSecond());
        // 4. POST. 5. Check the receipt: without one that verifies, nothing is known to be accepted.
        Receipt receipt = readReceipt(post("/v1/packets", sealed.packet));
        expect(receipt, "accepted", agency, agency, sealed.header.get("id"), sealed.digest);
        say(Map.of("index", receipt.index, "digest", sealed.digest));
    }

    void receive(String kind) throws Exception {
        for (String cursor = ""; ; ) {
            Answer page = ask("/v1/topics/setu." + agency + "." + kind + "/packets?limit=100" + cursor, null);
            if (page.status != 200) throw refusal(page);
            List<Map<String, Object>> items = in(page.body, "items");
            if (items.isEmpty()) return;
            for (var item : items) if (!item.containsKey("gone")) receiveOne(item); // else a tombstone: nothing to open
            cursor = "&cursor=" + URLEncoder.encode(in(page.body, "cursor"), StandardCharsets.UTF_8);
        }
    }

    void receiveOne(Map<String, Object> item) throws Exception {
        // 6. Receipt: it verifies, and its entry is this packet's. Its time says which keys were valid, so it comes first.
        Receipt receipt = readReceipt(item.get("receipt"));
        String reason = null;
        try {
            Verified packet = verify(item.get("packet"), receipt.at);
            String from = in(packet.header, "from");
            expect(receipt, "accepted", from, from, packet.header.get("id"), packet.digest);
            say(Map.of("index", receipt.index, "digest", packet.digest, "from", from, "payload", open(packet)));
        } catch (Refused refused) {
            reason = refused.code;
            say(Map.of("index", receipt.index, "refused", reason, "why", refused.getMessage()));
        }
        Object answer = post("/v1/acknowledgements", acknowledge(receipt, reason == null ? "opened" : "rejected", reason));
        Map<String, Object> named = in(receipt.entry, "packet");
        String type = reason == null ? "acknowledged" : "rejected_by_recipient";
        expect(readReceipt(answer), type, agency, named.get("from"), named.get("id"), named.get("digest"));
    }

    void check() throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            long now = Instant.now().getEpochSecond();
            try {
                Object found = Json.parse(utf8(line), "json-invalid");
                if (found instanceof Map<?, ?> key && key.containsKey("public")) {
                    var said = new TreeMap<String, Object>(Map.of("kid", publicKey(in(key, "alg"), unb64u(key.get("public"), -1)).kid));
                    if (key.containsKey("seed")) said.put("own", privateKey(in(key, "alg"), unb64u(key.get("seed"), 32)).kid);
                    say(said);
                } else if (found instanceof Map<?, ?> receipt && receipt.containsKey("checkpoint")) {
                    say(Map.of("index", readReceipt(found).index));
                } else if (found instanceof Map<?, ?> one && one.containsKey("payload")) {
                    say(Map.of("acknowledged", verifyAcknowledgement(found, now).get("event")));
                } else {
                    Verified packet = verify(found, now);
                    say(Map.of("digest", packet.digest, "payload", open(packet)));
                }
            } catch (Refused refused) {
                say(Map.of("refused", refused.code, "why", refused.getMessage()));
            }
        }
    }

    public static void main(String[] given) throws Exception {
        try {
            if (given.length >= 6 && given[0].equals("send")) {
                new Setu(Path.of(given[1])).send(given[2], Path.of(given[3]), Path.of(given[4]), List.of(given).subList(5, given.length));
            } else if (given.length == 3 && given[0].equals("receive")) new Setu(Path.of(given[1])).receive(given[2]);
            else if (given.length == 2 && given[0].equals("check")) new Setu(Path.of(given[1])).check();
            else throw new IOException("Expected one of:\n  Setu send FOLDER KIND PAYLOAD.json HANDLING.json READER...\n  Setu receive FOLDER KIND\n  Setu check FOLDER <lines");
        } catch (Refused refused) {
            System.err.println("Refused (" + refused.code + "): " + refused.getMessage());
            System.exit(1);
        } catch (IOException error) {
            System.err.println(error.getMessage() == null || error instanceof FileSystemException ? error : error.getMessage()); // which is else the path alone
            System.exit(1);
        }
    }
}
