// Seals, posts and opens packets of Setu with nothing but Go's standard library (1.27): no module, no Python.
//
//	go run . send    FOLDER KIND PAYLOAD.json HANDLING.json READER...   seal, post, check the receipt
//	go run . receive FOLDER KIND                                        fetch, verify, open, acknowledge
//	go run . check   FOLDER <lines                                      judge packets, receipts, acknowledgements, keys
//
// FOLDER is an agency's (README.md beside this folder). "Section" is one of ../../packet.md, where no other file is named.
package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/mldsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A refusal is a panic inside this file, so that the recipes below read as they stand in packet.md; `judge` ends it.
type refused struct{ code, why string }

func must(holds bool, code, why string) {
	if !holds {
		panic(refused{code, why})
	}
}

func envelope(holds bool, why string) { must(holds, "envelope-invalid", why) }

func judge(step func()) (found *refused) {
	defer func() {
		switch what := recover().(type) {
		case nil:
		case refused:
			found = &what
		default:
			panic(what)
		}
	}()
	step()
	return nil
}

// Everything that is no refusal ends the program: a missing file, no network.
func got[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

// ---- Section 1: base64url, strict JSON, canonical JSON

func b64u(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func unb64u(text string, size int) []byte {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	envelope(err == nil && !strings.ContainsAny(text, "\r\n"), "expected canonical base64url") // Go skips line ends
	envelope(size < 0 || len(raw) == size, fmt.Sprintf("expected %d bytes, found %d", size, len(raw)))
	return raw
}

func isB64u(text string, size int) bool { return judge(func() { unb64u(text, size) }) == nil }

// strict holds JSON to the rules of section 1: encoding/json/v2 itself refuses a name that is there twice, lone surrogates,
// other encodings. It tells whether the value may be signed: whole numbers below 2^53, ASCII names, no null.
func strict(raw []byte, code string) (signable bool) {
	must(jsontext.Value(raw).IsValid(), code, "expected strict JSON")
	signable = true
	for decoder := jsontext.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := decoder.ReadToken()
		if err == io.EOF {
			return signable
		}
		must(err == nil && decoder.StackDepth() <= 32, code, "expected nesting of at most 32")
		switch text := token.String(); token.Kind() {
		case jsontext.KindNumber:
			must(len(text) <= 64, code, "expected a number of at most 64 characters")
			number, err := strconv.ParseUint(text, 10, 64)
			signable = signable && err == nil && number < 1<<53
		case jsontext.KindString:
			kind, length := decoder.StackIndex(decoder.StackDepth())
			name := kind == jsontext.KindBeginObject && length%2 == 1
			signable = signable && !(name && strings.ContainsFunc(text, func(r rune) bool { return r > 127 }))
		case jsontext.KindNull:
			signable = false
		}
	}
}

// exact reads JSON as `into`, whose members it has, each of them and no other: only then both are canonically the same.
func exact(raw []byte, into any, code string) (canonical []byte) {
	must(json.Unmarshal(raw, into, json.RejectUnknownMembers(true)) == nil, code, "expected exactly the members of the format")
	canonical = jcs(into)
	must(bytes.Equal(canonical, jcs(jsontext.Value(raw))), code, "expected exactly the members of the format")
	return canonical
}

func jcs(value any) []byte {
	text := jsontext.Value(got(json.Marshal(value)))
	got(0, text.Canonicalize())
	return text
}

// signed reads what is signed: of its schema, and the canonical form of what it says.
func signed(text string, into any, schema func() bool) {
	raw := unb64u(text, -1)
	signable := strict(raw, "envelope-invalid")
	readable := json.Unmarshal(raw, into, json.RejectUnknownMembers(true)) == nil
	must(signable && readable && schema(), "schema", "expected a header, or a body, of the schema")
	envelope(bytes.Equal(jcs(into), raw), "expected the canonical form (RFC 8785)")
}

// ---- Section 2: suites, of which the realm fixes one

type suite struct {
	wrap                            string
	sign                            [2]string
	signatureSizes                  [2]int
	kem                             hpke.KEM
	curve                           ecdh.Curve
	ekSize, latticeSize, sealedSize int
}

var suites = map[string]suite{
	"hybrid-768": {"HPKE-9-KE", [2]string{"Ed25519", "ML-DSA-65"}, [2]int{64, 3309},
		hpke.MLKEM768X25519(), ecdh.X25519(), 1120, 1184, 1088},
	"hybrid-1024": {"HPKE-10-KE", [2]string{"ES384", "ML-DSA-87"}, [2]int{96, 4627},
		hpke.MLKEM1024P384(), ecdh.P384(), 1665, 1568, 1568},
}

func wrapSuite(alg string) (suite, bool) {
	for _, each := range suites {
		if each.wrap == alg {
			return each, true
		}
	}
	return suite{}, false
}

// ---- Section 3: keys

// key: ed25519, *ecdsa, *mldsa or hpke, public or private.
type key struct {
	alg, kid string
	key      any
}

var mldsas = map[string]mldsa.Parameters{"ML-DSA-44": mldsa.MLDSA44(), "ML-DSA-65": mldsa.MLDSA65(), "ML-DSA-87": mldsa.MLDSA87()}

func thumbprint(alg string, raw []byte) string {
	jwk := map[string]string{"alg": alg, "kty": "AKP", "pub": b64u(raw)}
	switch alg {
	case "Ed25519":
		jwk = map[string]string{"crv": "Ed25519", "kty": "OKP", "x": b64u(raw)}
	case "ES384":
		jwk = map[string]string{"crv": "P-384", "kty": "EC", "x": b64u(raw[1:49]), "y": b64u(raw[49:])}
	}
	digest := sha256.Sum256(jcs(jwk))
	return b64u(digest[:])
}

// ed25519Sound: a canonical point of the curve, not of order 1, 2, 4 or 8, which crypto/ed25519 takes.
func ed25519Sound(raw []byte) bool {
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	mod := func(x *big.Int) *big.Int { return x.Mod(x, p) }
	backwards := slices.Clone(raw)
	slices.Reverse(backwards)
	y := new(big.Int).SetBit(new(big.Int).SetBytes(backwards), 255, 0)
	y2 := mod(new(big.Int).Mul(y, y))
	d := mod(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), p)))
	below := mod(new(big.Int).Add(new(big.Int).Mul(d, y2), one))
	x2 := mod(new(big.Int).Mul(new(big.Int).Sub(y2, one), new(big.Int).ModInverse(below, p)))
	return y.Cmp(p) < 0 && big.Jacobi(x2, p) == 1 && y.Sign() != 0 && mod(new(big.Int).Add(x2, y2)).Sign() != 0
}

// pointSound: on P-384; not of low order on X25519, for then agreeing on a secret fails.
func pointSound(curve ecdh.Curve, raw []byte) bool {
	public, err := curve.NewPublicKey(raw)
	if err != nil {
		return false
	}
	_, err = got(curve.GenerateKey(rand.Reader)).ECDH(public)
	return err == nil
}

func publicKey(alg string, raw []byte) key {
	var found any
	var err error
	sound := true
	if parameters, ok := mldsas[alg]; ok {
		found, err = mldsa.NewPublicKey(parameters, raw)
	} else if suite, ok := wrapSuite(alg); ok {
		sound = len(raw) > suite.latticeSize && pointSound(suite.curve, raw[suite.latticeSize:])
		found, err = suite.kem.NewPublicKey(raw)
	} else if alg == "ES384" {
		found, err = ecdsa.ParseUncompressedPublicKey(elliptic.P384(), raw)
	} else {
		found, sound = ed25519.PublicKey(raw), alg == "Ed25519" && len(raw) == 32 && ed25519Sound(raw)
	}
	must(err == nil && sound, "key-unknown", "expected a sound public key of its algorithm")
	return key{alg, thumbprint(alg, raw), found}
}

func privateKey(alg string, seed []byte) key {
	if parameters, ok := mldsas[alg]; ok {
		private := got(mldsa.NewPrivateKey(parameters, seed))
		return key{alg, thumbprint(alg, private.PublicKey().Bytes()), private}
	}
	if suite, ok := wrapSuite(alg); ok {
		private := got(suite.kem.NewPrivateKey(seed)) // expands the seed as section 3 says
		return key{alg, thumbprint(alg, private.PublicKey().Bytes()), private}
	}
	if alg == "ES384" {
		wide := sha3.SumSHAKE256(append([]byte("setu1.es384\x00"), seed...), 56)
		below := new(big.Int).Sub(elliptic.P384().Params().N, big.NewInt(1))
		scalar := new(big.Int).Add(new(big.Int).Mod(new(big.Int).SetBytes(wide), below), big.NewInt(1))
		private := got(ecdsa.ParseRawPrivateKey(elliptic.P384(), scalar.FillBytes(make([]byte, 48))))
		return key{alg, thumbprint(alg, got(private.PublicKey.Bytes())), private}
	}
	private := ed25519.NewKeyFromSeed(seed)
	return key{alg, thumbprint(alg, private.Public().(ed25519.PublicKey)), private}
}

func (k key) sign(message []byte) []byte {
	switch private := k.key.(type) {
	case *ecdsa.PrivateKey:
		digest := sha512.Sum384(message)
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		return append(got(r, err).FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	default:
		return got(private.(crypto.Signer).Sign(rand.Reader, message, crypto.Hash(0)))
	}
}

func (k key) verifies(message, signature []byte) bool {
	switch public := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(public, message, signature)
	case *mldsa.PublicKey:
		return mldsa.Verify(public, message, signature, nil) == nil
	case *ecdsa.PublicKey:
		digest, half := sha512.Sum384(message), len(signature)/2
		return ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
	}
	return false
}

// ---- Section 4: layout

type signature struct {
	Protected string `json:"protected"`
	Signature string `json:"signature"`
}

type jws struct { // by itself: an acknowledgement
	Payload    string         `json:"payload"`
	Signatures jsontext.Value `json:"signatures,omitzero"`
}

type recipient struct {
	Header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Ek  string `json:"ek"`
	} `json:"header"`
	EncryptedKey string `json:"encrypted_key"`
}

type jwe struct {
	Protected  string      `json:"protected"`
	Aad        string      `json:"aad"`
	Iv         string      `json:"iv"`
	Ciphertext string      `json:"ciphertext"`
	Tag        string      `json:"tag"`
	Recipients []recipient `json:"recipients"`
}

type packet struct {
	Jwe jwe `json:"jwe"`
	Jws jws `json:"jws"`
}

type audience struct {
	Realm   string `json:"realm"`
	Gateway string `json:"gateway"`
}

type reader struct {
	Agency string `json:"agency"`
	Kid    string `json:"kid"`
}

type header struct {
	V           string         `json:"v"`
	Id          string         `json:"id"`
	Aud         audience       `json:"aud"`
	From        string         `json:"from"`
	To          []reader       `json:"to"`
	Suite       string         `json:"suite"`
	Kind        string         `json:"kind"`
	KindVersion int64          `json:"kind_version"`
	Handling    jsontext.Value `json:"handling"`
	Precedence  string         `json:"precedence"`
	Exercise    bool           `json:"exercise"`
	Thread      string         `json:"thread"`
	InReplyTo   *string        `json:"in_reply_to,omitzero"`
	Act         jsontext.Value `json:"act,omitzero"`
	Sources     []string       `json:"sources,omitzero"`
	Iat         int64          `json:"iat"`
	Exp         int64          `json:"exp"`
	Commitment  string         `json:"commitment,omitzero"`
	Sig         []string       `json:"sig"`
}

var (
	agencyForm = regexp.MustCompile(`^[a-z]{2}(-[a-z0-9]+)+$`)
	kindForm   = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	uuidForm   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

func isAgency(text string) bool { return len(text) <= 32 && agencyForm.MatchString(text) }

func (a audience) ok() bool { return isB64u(a.Realm, 48) && isAgency(a.Gateway) }

func isKids(found []string) bool {
	return len(found) == 2 && isB64u(found[0], 32) && isB64u(found[1], 32)
}

func (h *header) ok() bool {
	_, known := suites[h.Suite]
	good := h.V == "setu1" && uuidForm.MatchString(h.Id) && h.Id[14] == '7' && h.Aud.ok() && isAgency(h.From) && known &&
		len(h.To) >= 1 && len(h.To) <= 65 && len(h.Kind) <= 32 && kindForm.MatchString(h.Kind) &&
		h.KindVersion >= 1 && h.KindVersion <= 999 && h.Handling.Kind() == jsontext.KindBeginObject &&
		slices.Contains([]string{"ROUTINE", "PRIORITY", "IMMEDIATE", "FLASH"}, h.Precedence) &&
		uuidForm.MatchString(h.Thread) && isB64u(h.Commitment, 48) && isKids(h.Sig) &&
		(h.InReplyTo == nil || isB64u(*h.InReplyTo, 48)) && (h.Act == nil || h.Act.Kind() == jsontext.KindBeginObject) &&
		(h.Sources == nil || len(h.Sources) >= 1 && len(h.Sources) <= 16)
	for _, each := range h.To {
		good = good && isAgency(each.Agency) && isB64u(each.Kid, 32)
	}
	for n, each := range h.Sources {
		good = good && isB64u(each, 48) && !slices.Contains(h.Sources[:n], each)
	}
	return good
}

// ---- Sections 5 and 6: padding, commitment

func padme(size int) int {
	exponent := bits.Len(uint(size)) - 1
	mask := 1<<max(exponent-bits.Len(uint(exponent)), 0) - 1
	return (size + mask) &^ mask
}

func pack(r, payload []byte) []byte {
	body := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	plain := make([]byte, 32+max(1024, padme(len(body))))
	copy(plain[copy(plain, r):], body)
	return plain
}

func sha384(text []byte) string {
	digest := sha512.Sum384(text)
	return string(digest[:])
}

func commitment(h header, plain []byte) []byte {
	h.Commitment = ""
	mac := hmac.New(sha512.New384, plain[:32])
	mac.Write([]byte("setu1.commit\x00" + sha384(jcs(h))))
	mac.Write(plain[32:])
	return mac.Sum(nil)
}

// ---- Section 7: content encryption, key wrap

func gcm(contentKey []byte) cipher.AEAD { return got(cipher.NewGCM(got(aes.NewCipher(contentKey)))) }

func info(aad string) []byte {
	return []byte("JOSE-HPKE rcpt\xffA256GCM\xffsetu1" + sha384([]byte(aad)))
}

func wrap(public key, contentKey []byte, aad string) (ek, encryptedKey []byte) {
	ek, sender, err := hpke.NewSender(public.key.(hpke.PublicKey), hpke.SHAKE256(), hpke.AES256GCM(), info(aad))
	return ek, got(got(sender, err).Seal(nil, contentKey))
}

func unwrap(own key, ek, encryptedKey []byte, aad string) []byte {
	from, err := hpke.NewRecipient(ek, own.key.(hpke.PrivateKey), hpke.SHAKE256(), hpke.AES256GCM(), info(aad))
	must(err == nil, "wrap-invalid", "expected the wrap to open")
	contentKey, err := from.Open(nil, encryptedKey)
	must(err == nil && len(contentKey) == 32, "wrap-invalid", "expected the wrap to open")
	return contentKey
}

// ---- Section 8: manifest, signatures

func manifest(j jwe) []byte {
	strings := []string{"setu1.manifest", j.Protected, j.Aad, j.Iv, j.Ciphertext, j.Tag}
	for _, each := range j.Recipients {
		strings = append(strings, each.Header.Alg, each.Header.Kid, each.Header.Ek, each.EncryptedKey)
	}
	var netstrings bytes.Buffer
	for _, each := range strings {
		fmt.Fprintf(&netstrings, "%d:%s,", len(each), each)
	}
	hdr, jwe := sha384([]byte(j.Aad)), sha384(netstrings.Bytes())
	return jcs(map[string]string{"v": "setu1", "hdr": b64u([]byte(hdr)), "jwe": b64u([]byte(jwe))})
}

func (me *agency) signBoth(payload, typ string) jws {
	var both []signature
	for _, each := range me.sign {
		protected := b64u(jcs(map[string]string{"alg": each.alg, "kid": each.kid, "typ": typ}))
		both = append(both, signature{protected, b64u(each.sign([]byte(protected + "." + payload)))})
	}
	return jws{payload, jcs(both)}
}

type read struct {
	alg, kid, protected string
	signature           []byte
}

var elsewhere = regexp.MustCompile(`^(jwk|jku|x5.*)$`)

func readSignatures(raw jsontext.Value, typ string) (both []read) {
	invalid := func(holds bool, why string) { must(holds, "signature-invalid", why) }
	var found []jsontext.Value
	invalid(json.Unmarshal(raw, &found) == nil && len(found) == 2, "expected exactly two signatures")
	for _, each := range found {
		var one signature
		exact(each, &one, "envelope-invalid")
		raw := unb64u(one.Protected, -1)
		strict(raw, "envelope-invalid")
		members := map[string]any{}
		envelope(json.Unmarshal(raw, &members) == nil, "expected a protected header")
		for name := range members {
			invalid(name != "crit" && name != "b64", "expected no critical extension")
		}
		for name := range members {
			must(!elsewhere.MatchString(name), "key-unknown", "expected a key named by its kid alone")
		}
		kid, _ := members["kid"].(string)
		must(isB64u(kid, 32), "key-unknown", "expected a kid that is a thumbprint")
		alg, _ := members["alg"].(string)
		found, _ := members["typ"].(string)
		envelope(alg != "" && found != "" && len(members) == 3, "expected exactly the members alg, kid, typ")
		invalid(found == typ, "expected a signature of typ "+typ)
		envelope(bytes.Equal(jcs(members), raw), "expected a canonical protected header")
		invalid(one.Signature != "", "expected a signature, found none")
		both = append(both, read{alg, kid, one.Protected, unb64u(one.Signature, -1)})
	}
	return both
}

// checkSuite: the suite's two algorithms in order, the kids that `sig` names, exact sizes.
func checkSuite(both []read, of suite, sig []string) {
	must(both[0].alg == of.sign[0] && both[1].alg == of.sign[1], "signature-invalid", "expected the suite's two algorithms, in order")
	must(both[0].kid == sig[0] && both[1].kid == sig[1], "signature-invalid", "expected the kids that `sig` names")
	for n, each := range both {
		envelope(len(each.signature) == of.signatureSizes[n], "expected signatures of exact size")
	}
}

func (me *agency) checkSignatures(both []read, payload, agency string, at int64) { // both, each by itself
	for _, each := range both {
		public := me.key(agency, "sign", at, func(row row) bool { return row.Kid == each.kid && row.Alg == each.alg })
		good := public.verifies([]byte(each.protected+"."+payload), each.signature)
		must(good, "signature-invalid", "expected the "+each.alg+" signature to verify")
	}
}

// key looks a public key up (../../directory.md, "Look-up"); the newest where several fit.
func (me *agency) key(agency, use string, at int64, fits func(row) bool) (found key) {
	var newest row
	for _, each := range me.directory.Agencies {
		for _, row := range each.Keys {
			good := each.Id == agency && row.Use == use && row.State == "active" && row.NotBefore <= at && at < row.NotAfter
			if good && fits(row) && (newest.Kid == "" || row.NotBefore > newest.NotBefore) {
				newest = row
			}
		}
	}
	must(newest.Kid != "", "key-unknown", "expected a key of the agency for this use, good at that time")
	found = publicKey(newest.Alg, unb64u(newest.Public, -1))
	must(found.kid == newest.Kid, "key-unknown", "expected a kid that is the thumbprint of its key")
	return found
}

// ---- Section 10: what a sender does

var jweHeader = b64u([]byte(`{"enc":"A256GCM","typ":"setu1+jwe"}`))

func (me *agency) seal(kind string, payload, handling []byte, readers []string, now int64) (packet, header, string) {
	of := suites[me.directory.Suite]
	h := header{V: "setu1", Id: uuid7(), Aud: audience{me.realm, me.gateway}, From: me.id, Suite: me.directory.Suite,
		Kind: kind, KindVersion: 1, Handling: handling, Precedence: "ROUTINE", Thread: uuid7(), Iat: now, Exp: now + 86400,
		Sig: []string{me.sign[0].kid, me.sign[1].kid}}
	// 1. The readers' wrap keys from the directory in force. Name the gateway too, and it can check the content.
	var keys []key
	for _, each := range readers {
		public := me.key(each, "wrap", now, func(row row) bool { return row.Alg == of.wrap })
		keys = append(keys, public)
		h.To = append(h.To, reader{each, public.kid})
	}
	// 2. Draw r, content key and iv. Plain, HDR without commitment, commitment, HDR, aad.
	r, contentKey, iv := random(32), random(32), random(12)
	plain := pack(r, payload)
	h.Commitment = b64u(commitment(h, plain))
	j := jwe{Protected: jweHeader, Aad: b64u(jcs(h)), Iv: b64u(iv)}
	// 3. Encrypt, wrap for each reader in order, build MAN, sign twice.
	sealed := gcm(contentKey).Seal(nil, iv, plain, []byte(j.Protected+"."+j.Aad))
	j.Ciphertext, j.Tag = b64u(sealed[:len(plain)]), b64u(sealed[len(plain):])
	for _, each := range keys {
		ek, encryptedKey := wrap(each, contentKey, j.Aad)
		one := recipient{EncryptedKey: b64u(encryptedKey)}
		one.Header.Alg, one.Header.Kid, one.Header.Ek = each.alg, each.kid, b64u(ek)
		j.Recipients = append(j.Recipients, one)
	}
	man := manifest(j)
	return packet{j, me.signBoth(b64u(man), "setu1+jws")}, h, b64u([]byte(sha384(man)))
}

func random(size int) []byte {
	raw := make([]byte, size)
	rand.Read(raw)
	return raw
}

func uuid7() string { // RFC 9562, section 5.7
	raw := append(binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))[2:], random(10)...)
	raw[6], raw[8] = 0x70|raw[6]&0x0f, 0x80|raw[8]&0x3f
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

// ---- Section 9: the verification recipe

// verify is steps 1 to 5; `at`: seconds, the time of the packet's ledger entry.
func (me *agency) verify(raw []byte, at int64) (header, jwe, string) {
	// 1. Shape: exactly these members, canonical base64url, exact sizes.
	strict(raw, "json-invalid")
	var p packet
	exact(raw, &p, "envelope-invalid")
	j := p.Jwe
	envelope(j.Protected == jweHeader, "expected the one protected header of a JWE")
	envelope(len(j.Recipients) >= 1 && len(j.Recipients) <= 65, "expected 1 to 65 recipients")
	unb64u(j.Iv, 12)
	unb64u(j.Tag, 16)
	body := len(unb64u(j.Ciphertext, -1)) - 32
	for _, each := range j.Recipients {
		unb64u(each.Header.Kid, 32)
		unb64u(each.EncryptedKey, 48)
	}
	both := readSignatures(p.Jws.Signatures, "setu1+jws")
	// 2. Manifest: MAN recomputed from the received strings equals the JWS payload.
	man := manifest(j)
	envelope(p.Jws.Payload == b64u(man), "expected the manifest of this JWE")
	// 3. Header: HDR parses, is its schema, is canonical; algorithms and kids; `aud` is mine, `suite` the realm's.
	envelope(len(j.Aad) <= 16384*4/3, "expected a header of at most 16,384 bytes")
	var h header
	signed(j.Aad, &h, h.ok)
	of := suites[h.Suite]
	checkSuite(both, of, h.Sig)
	must(h.Aud == audience{me.realm, me.gateway}, "wrong-audience", "expected a packet for this realm and gateway")
	must(h.Suite == me.directory.Suite, "wrong-suite", "expected the realm's suite")
	// 1 again: the sizes that the suite sets; an `ek` is sound.
	envelope(body >= 1024 && padme(body) == body, "expected a padded size")
	for _, each := range j.Recipients {
		envelope(each.Header.Alg == of.wrap, "expected the suite's key wrap")
		envelope(pointSound(of.curve, unb64u(each.Header.Ek, of.ekSize)[of.sealedSize:]), "expected a sound curve point")
	}
	// 5. Readers: `to` and `recipients` agree one to one, in order; no agency and no kid twice.
	envelope(len(h.To) == len(j.Recipients), "expected a wrap for each reader")
	seen, others := map[string]bool{}, 0
	for n, each := range h.To {
		envelope(each.Kid == j.Recipients[n].Header.Kid, "expected a wrap for each reader, in order")
		envelope(!seen[each.Agency] && !seen[each.Kid], "expected each agency and each kid once")
		seen[each.Agency], seen[each.Kid] = true, true
		if each.Agency != me.gateway {
			others++
		}
	}
	envelope(others >= 1 && others <= 64, "expected 1 to 64 recipients beside the gateway")
	// 4. Signatures: both verify over the received bytes, each with the directory's key, and each by itself.
	me.checkSignatures(both, p.Jws.Payload, h.From, at)
	return h, j, b64u([]byte(sha384(man)))
}

func (me *agency) open(h header, j jwe) jsontext.Value {
	// 7. Open: I am in `to`; unwrap, decrypt, recompute the commitment in constant time, unpad strictly.
	place := slices.IndexFunc(h.To, func(each reader) bool { return each.Agency == me.id })
	must(place >= 0, "not-for-me", "expected a packet to me")
	mine := slices.IndexFunc(me.wrap, func(each key) bool { return each.kid == h.To[place].Kid })
	must(mine >= 0, "not-for-me", "expected a packet wrapped to a key of mine")
	to := j.Recipients[place]
	contentKey := unwrap(me.wrap[mine], unb64u(to.Header.Ek, -1), unb64u(to.EncryptedKey, -1), j.Aad)
	sealed := append(unb64u(j.Ciphertext, -1), unb64u(j.Tag, -1)...)
	plain, err := gcm(contentKey).Open(nil, unb64u(j.Iv, -1), sealed, []byte(j.Protected+"."+j.Aad))
	must(err == nil, "wrap-invalid", "expected the content to open")
	must(hmac.Equal(commitment(h, plain), unb64u(h.Commitment, -1)), "commitment-mismatch", "expected the content that was signed")
	length := int(binary.BigEndian.Uint32(plain[32:]))
	envelope(length <= len(plain)-36, "expected the length of the payload")
	payload := plain[36 : 36+length]
	envelope(bytes.Equal(pack(plain[:32], payload), plain), "expected padding with zeros")
	strict(payload, "json-invalid")
	return payload
}

// ---- ../../ledger.md, section 5: the receipt of an `accepted` or `acknowledged` entry

type named struct {
	From   string `json:"from"`
	Id     string `json:"id"`
	Digest string `json:"digest"`
	Index  int64  `json:"index,omitzero"`
}

type entry struct { // the members that are looked at
	Type      string
	Time      time.Time
	Actor     string
	Aud       audience
	Packet    named
	Directory struct {
		Version int64
		Hash    string
	}
	index int64
}

var note = regexp.MustCompile(`^((.+)\n(0|[1-9]\d{0,15})\n(.+)\n)\n((?:\x{2014} .+\n)+)$`)

func (me *agency) receipt(raw []byte) (found entry) {
	invalid := func(holds bool, why string) { must(holds, "receipt-invalid", why) }
	var r struct {
		V          string   `json:"v"`
		Entry      string   `json:"entry"`
		Index      int64    `json:"index"`
		Path       []string `json:"path"`
		Checkpoint string   `json:"checkpoint"`
	}
	exact(raw, &r, "receipt-invalid")
	// 1. The checkpoint is of the log's origin. A key of the log signed it at most once, and what it signed verifies; both
	// keys of one pair did, the current or a former one that counts up to a log of that size.
	log := me.directory.Logs[slices.IndexFunc(me.directory.Logs, func(each log) bool { return each.Gateway == me.gateway })]
	said := note.FindStringSubmatch(r.Checkpoint)
	invalid(r.V == "setu1.receipt" && said != nil && said[2] == log.Origin, "expected a checkpoint of the log that the directory names")
	size, _ := strconv.ParseInt(said[3], 10, 64)
	root, err := base64.StdEncoding.Strict().DecodeString(said[4])
	invalid(err == nil && len(root) == 32, "expected a root of 32 bytes")
	short := append([]byte{byte(len(log.Origin))}, log.Origin...)
	cosigned := slices.Concat([]byte("subtree/v1\n\x00"), short, make([]byte, 8), short, make([]byte, 8),
		binary.BigEndian.AppendUint64(nil, uint64(size)), root)
	signed := func(vkey, alg string, message, before []byte) bool {
		typed, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
		id := sha256.Sum256(append([]byte(log.Origin+"\n"), got(typed, err)...))
		var mine [][]byte
		for line := range strings.Lines(said[5]) {
			parts := strings.Fields(line)
			signature, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
			if err == nil && len(parts) == 3 && parts[1] == log.Origin && bytes.HasPrefix(signature, id[:4]) {
				mine = append(mine, signature[4:])
			}
		}
		if len(mine) == 0 {
			return false
		}
		invalid(len(mine) == 1 && bytes.HasPrefix(mine[0], before), "expected one signature of the log by each of its keys")
		good := publicKey(alg, typed[1:]).verifies(message, mine[0][len(before):])
		invalid(good, "expected the log's "+alg+" signature to verify")
		return true
	}
	counts := false
	for _, each := range append([]pair{log.pair}, log.Former...) {
		classical, quantum := signed(each.Ed25519, "Ed25519", []byte(said[1]), nil), signed(each.Mldsa44, "ML-DSA-44", cosigned, make([]byte, 8))
		counts = counts || (classical && quantum && (each.Size == nil || size <= *each.Size))
	}
	invalid(counts, "expected both signatures of a pair of the log that counts at this size")
	// 2. Leaf hash, index and path lead to the root (../../ledger.md, section 2; RFC 9162, section 2.1.3.2).
	text := unb64u(r.Entry, -1)
	node := func(parts ...[]byte) []byte {
		digest := sha256.Sum256(slices.Concat(parts...))
		return digest[:]
	}
	fn, sn, hash := r.Index, size-1, node([]byte{0}, text)
	invalid(0 <= fn && fn <= sn, "expected an index within the tree")
	for _, each := range r.Path {
		step := unb64u(each, 32)
		invalid(sn > 0, "expected a shorter path")
		if fn%2 == 1 || fn == sn {
			for hash = node([]byte{1}, step, hash); fn%2 == 0 && fn != 0; fn, sn = fn/2, sn/2 {
			}
		} else {
			hash = node([]byte{1}, hash, step)
		}
		fn, sn = fn/2, sn/2
	}
	invalid(sn == 0 && bytes.Equal(hash, root), "expected the path to lead to the root")
	// 3. Strict JSON. 5. The directory is one's own copy of that version; another hash for it is an alarm.
	strict(text, "receipt-invalid")
	invalid(json.Unmarshal(text, &found, json.MatchCaseInsensitiveNames(true)) == nil, "expected a ledger entry")
	found.index = r.Index
	if found.Directory.Version != me.directory.Version {
		stop("The receipt needs directory version %d, directory.json is %d: fetch that version.", found.Directory.Version, me.directory.Version)
	}
	if found.Directory.Hash != me.hash {
		stop("ALARM: two directories of version %d. Stop, keep the receipt, tell the other agencies.", me.directory.Version)
	}
	return found
}

func (me *agency) expect(e entry, kind, actor string, packet named) { // 4. It is the entry one expects.
	good := e.Type == kind && e.Actor == actor && e.Aud == audience{me.realm, me.gateway} &&
		e.Packet.From == packet.From && e.Packet.Id == packet.Id && e.Packet.Digest == packet.Digest
	must(good, "receipt-invalid", "expected the receipt of this packet's "+kind+" entry")
}

// ---- Section 11: acknowledgements

type body struct {
	V      string   `json:"v"`
	Aud    audience `json:"aud"`
	By     string   `json:"by"`
	Event  string   `json:"event"`
	Reason string   `json:"reason,omitzero"`
	At     int64    `json:"at"`
	Packet struct {
		From   string `json:"from"`
		Id     string `json:"id"`
		Digest string `json:"digest"`
		Index  int64  `json:"index"`
	} `json:"packet"`
	Sig []string `json:"sig"`
}

func (b *body) ok() bool {
	return b.V == "setu1.ack" && b.Aud.ok() && isAgency(b.By) && slices.Contains([]string{"received", "opened", "rejected"}, b.Event) &&
		(b.Event == "rejected") == (b.Reason != "") && isAgency(b.Packet.From) && uuidForm.MatchString(b.Packet.Id) &&
		isB64u(b.Packet.Digest, 48) && isKids(b.Sig)
}

func (me *agency) acknowledge(e entry, event, reason string) []byte {
	said := body{V: "setu1.ack", Aud: e.Aud, By: me.id, Event: event, Reason: reason, At: time.Now().Unix(), Sig: []string{me.sign[0].kid, me.sign[1].kid}}
	said.Packet.From, said.Packet.Id, said.Packet.Digest, said.Packet.Index = e.Packet.From, e.Packet.Id, e.Packet.Digest, e.index
	return jcs(me.signBoth(b64u(jcs(said)), "setu1+ack"))
}

func (me *agency) verifyAcknowledgement(raw []byte, at int64) body {
	strict(raw, "json-invalid")
	var found jws
	exact(raw, &found, "envelope-invalid")
	both := readSignatures(found.Signatures, "setu1+ack")
	var b body
	signed(found.Payload, &b, b.ok)
	checkSuite(both, suites[me.directory.Suite], b.Sig)
	must(b.Aud == audience{me.realm, me.gateway}, "wrong-audience", "expected an acknowledgement for this realm and gateway")
	me.checkSignatures(both, found.Payload, b.By, at)
	return b
}

// ---- ../../http.md: TLS 1.3 with the agency's certificate

func (me *agency) ask(method, path string, content []byte) (int, []byte, error) {
	asked := got(http.NewRequest(method, me.url+path, bytes.NewReader(content)))
	asked.Header.Set("Content-Type", "application/vnd.setu.packet+json")
	answer, err := me.client.Do(asked)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	content, err = io.ReadAll(answer.Body)
	return answer.StatusCode, content, err
}

// post: where an answer is lost, or 429 or 503, the same bytes again; that is always safe.
func (me *agency) post(path string, content []byte) []byte {
	for tries := 1; ; tries++ {
		status, answer, err := me.ask("POST", path, content)
		if err == nil && (status == 200 || status == 201) {
			return answer
		}
		if err == nil && status != 429 && status != 503 || tries == 5 {
			refuseWith(status, got(answer, err))
		}
		time.Sleep(time.Duration(tries) * time.Second)
	}
}

func refuseWith(status int, answer []byte) {
	var problem struct {
		Code, Detail string
		Rules        []struct{ Rule, Recipient, Sentence, Remedy string }
	}
	json.Unmarshal(answer, &problem, json.MatchCaseInsensitiveNames(true))
	why := fmt.Sprintf("The gateway answers %d: %s", status, problem.Detail)
	for _, hit := range problem.Rules { // of the release policy: what stood against whom, and what would change it
		why += fmt.Sprintf("\n  %s (%s): %s %s", hit.Rule, hit.Recipient, hit.Sentence, hit.Remedy)
	}
	must(false, problem.Code, why)
}

// ---- The agency's folder, and the three commands

type row struct {
	Kid       string
	Use       string
	Alg       string
	Public    string
	State     string
	NotBefore int64 `json:"not_before"`
	NotAfter  int64 `json:"not_after"`
}

type pair struct {
	Ed25519, Mldsa44 string
	Size             *int64
}

type log struct {
	Gateway, Origin string
	pair
	Former []pair
}

type agency struct {
	id, gateway, url, realm, hash string
	sign, wrap                    []key
	client                        *http.Client
	directory                     struct {
		Version  int64
		Suite    string
		Agencies []struct {
			Id   string
			Keys []row
		}
		Logs []log
	}
}

func load(folder string) *agency {
	at := func(name string) []byte { return got(os.ReadFile(filepath.Join(folder, name))) }
	setting := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + ` = "(.*)"$`).FindSubmatch(at("agency.toml"))
		if found == nil {
			stop("Expected %s = \"...\" in agency.toml, found none.", name)
		}
		return string(found[1])
	}
	document := at("directory.json")
	me := &agency{id: setting("agency"), gateway: setting("gateway"), url: setting("url")}
	me.realm, me.hash = b64u([]byte(sha384(at("root.json")))), b64u([]byte(sha384(document)))
	got(0, json.Unmarshal(document, &me.directory, json.MatchCaseInsensitiveNames(true)))
	if raw, err := os.ReadFile(filepath.Join(folder, "wrap-keys.json")); err == nil { // ../../directory.md, "A gateway's wrap keys"
		var daily struct {
			Gateway string
			Keys    []row
		}
		got(0, json.Unmarshal(raw, &daily, json.MatchCaseInsensitiveNames(true)))
		for n, each := range me.directory.Agencies {
			if each.Id == daily.Gateway {
				me.directory.Agencies[n].Keys = append(each.Keys, daily.Keys...)
			}
		}
	}
	me.sign = make([]key, 2)
	for _, name := range got(filepath.Glob(filepath.Join(folder, "keys", "*.key"))) {
		var file struct{ Alg, Kid, Seed string }
		got(0, json.Unmarshal(got(os.ReadFile(name)), &file, json.MatchCaseInsensitiveNames(true)))
		own := privateKey(file.Alg, unb64u(file.Seed, 32))
		if own.kid != file.Kid {
			stop("Expected in %s the kid of its seed, found another.", name)
		}
		of := suites[me.directory.Suite]
		switch place := slices.Index(of.sign[:], own.alg); {
		case place >= 0:
			me.sign[place] = own
		case own.alg == of.wrap:
			me.wrap = append(me.wrap, own)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(at("gateway-ca.pem"))
	certificate := got(tls.X509KeyPair(at("tls.pem"), at("tls.key")))
	settings := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{certificate}}
	me.client = &http.Client{Transport: &http.Transport{TLSClientConfig: settings}, Timeout: time.Minute}
	return me
}

func say(object any) { fmt.Printf("%s\n", jcs(object)) }

func stop(text string, values ...any) {
	fmt.Fprintf(os.Stderr, text+"\n", values...)
	os.Exit(1)
}

func (me *agency) send(kind, payload, handling string, readers []string) {
	p, h, digest := me.seal(kind, got(os.ReadFile(payload)), got(os.ReadFile(handling)), readers, time.Now().Unix())
	// 4. POST. 5. Check the receipt: without one that verifies, nothing is known to be accepted.
	e := me.receipt(me.post("/v1/packets", jcs(p)))
	me.expect(e, "accepted", me.id, named{From: h.From, Id: h.Id, Digest: digest})
	say(map[string]any{"index": e.index, "digest": digest})
}

func (me *agency) receive(kind string) {
	for cursor := ""; ; {
		status, answer, err := me.ask("GET", "/v1/topics/setu."+me.id+"."+kind+"/packets?limit=100"+cursor, nil)
		if got(status, err) != 200 {
			refuseWith(status, answer)
		}
		var page struct {
			Items []struct {
				Gone            string
				Packet, Receipt jsontext.Value
			}
			Cursor string
		}
		strict(answer, "json-invalid")
		got(0, json.Unmarshal(answer, &page, json.MatchCaseInsensitiveNames(true)))
		if len(page.Items) == 0 {
			return
		}
		for _, each := range page.Items {
			if each.Gone == "" { // else a tombstone: nothing to open
				me.receiveOne(each.Packet, each.Receipt)
			}
		}
		cursor = "&cursor=" + url.QueryEscape(page.Cursor)
	}
}

func (me *agency) receiveOne(raw, receipt []byte) {
	// 6. Receipt: it verifies, and its entry is this packet's. Its time says which keys were valid, so it comes first.
	e := me.receipt(receipt)
	event, reason, done := "opened", "", "acknowledged"
	found := judge(func() {
		h, j, digest := me.verify(raw, e.Time.Unix())
		me.expect(e, "accepted", h.From, named{From: h.From, Id: h.Id, Digest: digest})
		say(map[string]any{"index": e.index, "digest": digest, "from": h.From, "payload": me.open(h, j)})
	})
	if found != nil {
		event, reason, done = "rejected", found.code, "rejected_by_recipient"
		say(map[string]any{"index": e.index, "refused": found.code, "why": found.why})
	}
	answer := me.receipt(me.post("/v1/acknowledgements", me.acknowledge(e, event, reason)))
	me.expect(answer, done, me.id, e.Packet)
}

func (me *agency) check() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err == io.EOF {
			return
		}
		var kind struct{ Alg, Public, Seed, Payload, Checkpoint string }
		json.Unmarshal(line, &kind, json.MatchCaseInsensitiveNames(true))
		found := judge(func() {
			now := time.Now().Unix()
			if kind.Public != "" {
				said := map[string]any{"kid": publicKey(kind.Alg, unb64u(kind.Public, -1)).kid}
				if kind.Seed != "" {
					said["own"] = privateKey(kind.Alg, unb64u(kind.Seed, 32)).kid
				}
				say(said)
			} else if kind.Checkpoint != "" {
				say(map[string]any{"index": me.receipt(line).index})
			} else if kind.Payload != "" {
				say(map[string]any{"acknowledged": me.verifyAcknowledgement(line, now).Event})
			} else {
				h, j, digest := me.verify(line, now)
				say(map[string]any{"digest": digest, "payload": me.open(h, j)})
			}
		})
		if found != nil {
			say(map[string]any{"refused": found.code, "why": found.why})
		}
	}
}

func main() {
	given := os.Args[1:]
	found := judge(func() {
		switch {
		case len(given) >= 6 && given[0] == "send":
			load(given[1]).send(given[2], given[3], given[4], given[5:])
		case len(given) == 3 && given[0] == "receive":
			load(given[1]).receive(given[2])
		case len(given) == 2 && given[0] == "check":
			load(given[1]).check()
		default:
			stop("Expected one of:\n" +
				"  setu-go send FOLDER KIND PAYLOAD.json HANDLING.json READER...\n" +
				"  setu-go receive FOLDER KIND\n" +
				"  setu-go check FOLDER <lines")
		}
	})
	if found != nil {
		stop("Refused (%s): %s", found.code, found.why)
	}
}
