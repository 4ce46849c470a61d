// Seals, posts and opens packets of Setu with nothing but Node 26: no package, no Python.
//
//   node setu.mjs send    FOLDER KIND PAYLOAD.json HANDLING.json READER...   seal, post, check the receipt
//   node setu.mjs receive FOLDER KIND                                        fetch, verify, open, acknowledge
//   node setu.mjs check   FOLDER <lines                                      judge packets, receipts, acknowledgements, keys
//
// FOLDER is an agency's (README.md beside this folder). "Section" is one of ../../packet.md, where no other file is named.
import * as crypto from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'

class Refused extends Error {
  constructor(code, message) { super(message); this.code = code }
}
const refuse = (code, message) => { throw new Refused(code, message) }
const must = (holds, code, message) => holds || refuse(code, message)
const envelope = (holds, message) => must(holds, 'envelope-invalid', message)

// ---- Section 1: base64url, strict JSON, canonical JSON

const b64u = (bytes) => Buffer.from(bytes).toString('base64url')
const utf8 = (text) => Buffer.from(text, 'utf8')
const sha = (bits, ...parts) => crypto.createHash(`sha${bits}`).update(Buffer.concat(parts)).digest()
const shake = (size, ...parts) => crypto.createHash('shake256', { outputLength: size }).update(Buffer.concat(parts)).digest()
const uint = (size, n) => Buffer.from(n.toString(16).padStart(2 * size, '0'), 'hex')

function unb64u(text, size) {
  envelope(typeof text === 'string' && /^[\w-]*$/.test(text), 'expected base64url')
  const bytes = Buffer.from(text, 'base64url')
  envelope(b64u(bytes) === text, 'expected canonical base64url') // Node ignores spare bits
  envelope(size === undefined || bytes.length === size, `expected ${size} bytes, found ${bytes.length}`)
  return bytes
}

function parse(bytes, code) {
  let text, value
  const strict = (holds) => must(holds, code, 'expected strict JSON')
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text, (name, each, { source }) => {
      strict(name.isWellFormed() && (typeof each !== 'string' || each.isWellFormed()))
      strict(typeof each !== 'number' || (Number.isFinite(each) && source.length <= 64))
      return each
    })
  } catch { strict(false) }
  const open = [] // JSON.parse keeps the last of two members of one name, so look at the names again
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') strict(open.push(new Set()) <= 32)
    else if (token === '}' || token === ']') open.pop()
    else if (colon) strict(open.at(-1).size !== open.at(-1).add(JSON.parse(string)).size)
  }
  return value
}

function jcs(value) { // all numbers of the format are integers
  if (Array.isArray(value)) return `[${value.map(jcs)}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${jcs(value[name])}`)}}`
}

const exactly = (value, names, code = 'envelope-invalid') => {
  const found = value && typeof value === 'object' && !Array.isArray(value) ? Object.keys(value).sort() : []
  must(found.join() === [...names].sort().join(), code, `expected exactly the members ${names}`)
  return value
}

// ---- Section 2: suites, of which the realm fixes one

const SUITES = {
  'hybrid-768': {
    wrap: 'HPKE-9-KE', sign: ['Ed25519', 'ML-DSA-65'], signatureSizes: [64, 3309],
    kemId: 0x647a, lattice: 'ml-kem-768', latticeSize: 1184, sealedSize: 1088,
    curve: { asymmetricKeyType: 'x25519' }, pointSize: 32, scalarSize: 32, label: utf8('\\.//^\\'),
  },
  'hybrid-1024': {
    wrap: 'HPKE-10-KE', sign: ['ES384', 'ML-DSA-87'], signatureSizes: [96, 4627],
    kemId: 0x0051, lattice: 'ml-kem-1024', latticeSize: 1568, sealedSize: 1568,
    curve: { asymmetricKeyType: 'ec', namedCurve: 'P-384' }, pointSize: 97, scalarSize: 48, label: utf8('MLKEM1024-P384'),
  },
}
const suiteOfWrap = (alg) => Object.values(SUITES).find((each) => each.wrap === alg)

// ---- Section 3: keys

const P384_ORDER = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n
const P25519 = 2n ** 255n - 19n
const number = (bytes) => BigInt(`0x${bytes.toString('hex')}`)
const rawPublic = (key) => key.export({ format: 'raw-public' })
const importPublic = (raw, kind) => crypto.createPublicKey({ key: raw, format: 'raw-public', ...kind })
const importPrivate = (raw, kind, format = 'raw-private') => crypto.createPrivateKey({ key: raw, format, ...kind })
const agree = (privateKey, publicKey) => crypto.diffieHellman({ privateKey, publicKey }) // throws where all are zeros

function thumbprint(alg, raw) {
  const jwk = alg === 'Ed25519' ? { crv: 'Ed25519', kty: 'OKP', x: b64u(raw) }
    : alg === 'ES384' ? { crv: 'P-384', kty: 'EC', x: b64u(raw.subarray(1, 49)), y: b64u(raw.subarray(49)) }
      : { alg, kty: 'AKP', pub: b64u(raw) }
  return b64u(sha(256, utf8(jcs(jwk))))
}

function ed25519Sound(raw) { // a canonical point of the curve, not of order 1, 2, 4 or 8, which OpenSSL takes
  const power = (base, exponent) => {
    let result = 1n
    for (base %= P25519; exponent > 0n; exponent >>= 1n, base = base * base % P25519) {
      if (exponent & 1n) result = result * base % P25519
    }
    return result
  }
  const y = number(Buffer.from(raw).reverse()) & (2n ** 255n - 1n)
  const y2 = y * y % P25519
  const d = (P25519 - 121665n) * power(121666n, P25519 - 2n) % P25519
  const x2 = (y2 - 1n + P25519) * power(d * y2 + 1n, P25519 - 2n) % P25519
  return y < P25519 && power(x2, (P25519 - 1n) / 2n) === 1n && y !== 0n && (x2 + y2) % P25519 !== 0n
}

function pointSound(suite, raw) { // on P-384; not of low order on X25519: then agreeing on a secret throws
  const { privateKey } = crypto.generateKeyPairSync(suite.curve.asymmetricKeyType, suite.curve)
  return agree(privateKey, importPublic(raw, suite.curve))
}

function publicKey(alg, raw) {
  const suite = suiteOfWrap(alg)
  try {
    if (suite) {
      const [lattice, point] = [raw.subarray(0, suite.latticeSize), raw.subarray(suite.latticeSize)]
      pointSound(suite, point)
      const key = importPublic(lattice, { asymmetricKeyType: suite.lattice })
      crypto.encapsulate(key) // throws for coefficients beyond the modulus (FIPS 203, section 7.2)
      return { alg, suite, kid: thumbprint(alg, raw), lattice: key, curve: importPublic(point, suite.curve), point }
    }
    if (alg === 'ES384') return { alg, kid: thumbprint(alg, raw), key: importPublic(raw, { asymmetricKeyType: 'ec', namedCurve: 'P-384' }) }
    must(alg !== 'Ed25519' || ed25519Sound(raw))
    return { alg, kid: thumbprint(alg, raw), key: importPublic(raw, { asymmetricKeyType: alg.toLowerCase() }) }
  } catch { return refuse('key-unknown', `expected a sound ${alg} public key`) }
}

function privateKey(alg, seed) {
  const suite = suiteOfWrap(alg)
  if (suite) {
    const wide = shake(64 + suite.scalarSize, seed)
    const lattice = importPrivate(wide.subarray(0, 64), { asymmetricKeyType: suite.lattice }, 'raw-seed')
    const curve = importPrivate(wide.subarray(64), suite.curve)
    const [first, point] = [lattice, curve].map((each) => rawPublic(crypto.createPublicKey(each)))
    return { alg, suite, lattice, curve, point, kid: thumbprint(alg, Buffer.concat([first, point])) }
  }
  const scalar = () => number(shake(56, utf8('setu1.es384\0'), seed)) % (P384_ORDER - 1n) + 1n
  const key = alg === 'ES384' ? importPrivate(uint(48, scalar()), { asymmetricKeyType: 'ec', namedCurve: 'P-384' })
    : importPrivate(seed, { asymmetricKeyType: alg.toLowerCase() }, alg === 'Ed25519' ? 'raw-private' : 'raw-seed')
  return { alg, key, kid: thumbprint(alg, rawPublic(crypto.createPublicKey(key))) }
}

// ---- Sections 5 and 6: padding, commitment

function padme(size) {
  const exponent = 31 - Math.clz32(size)
  const mask = 2 ** Math.max(exponent - (32 - Math.clz32(exponent)), 0) - 1
  return Math.floor((size + mask) / (mask + 1)) * (mask + 1)
}

function pack(r, payload) {
  const plain = Buffer.alloc(32 + Math.max(1024, padme(4 + payload.length)))
  Buffer.concat([r, uint(4, payload.length), payload]).copy(plain)
  return plain
}

const commitment = ({ commitment: _, ...header }, plain) => crypto.createHmac('sha384', plain.subarray(0, 32))
  .update(Buffer.concat([utf8('setu1.commit\0'), sha(384, utf8(jcs(header))), plain.subarray(32)])).digest()

// ---- Section 7: content encryption, key wrap

function gcm(key, iv, aad, plain) {
  const cipher = crypto.createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function ungcm(key, iv, aad, sealed) {
  try {
    const cipher = crypto.createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 }).setAAD(aad)
    cipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()])
  } catch { return refuse('wrap-invalid', 'expected the wrap and the content to open') }
}

const infoOf = (aad) => Buffer.concat([Buffer.from('JOSE-HPKE rcpt\xffA256GCM\xffsetu1', 'latin1'), sha(384, utf8(aad))])

function schedule(suite, [latticeSecret, curveSecret, sent, mine], info) { // 7.1 or 7.2, the combiner, then 7.3
  const ss = crypto.createHash('sha3-256').update(Buffer.concat([latticeSecret, curveSecret, sent, mine, suite.label])).digest()
  const lp = (x) => Buffer.concat([uint(2, x.length), x])
  const id = Buffer.concat([utf8('HPKE'), uint(2, suite.kemId), uint(2, 0x0011), uint(2, 0x0002)])
  const none = lp(Buffer.alloc(0))
  const secret = shake(108, none, lp(ss), utf8('HPKE-v1'), id, lp(utf8('secret')), uint(2, 108), uint(1, 0), none, lp(info))
  return [secret.subarray(0, 32), secret.subarray(32, 44)]
}

function wrap(reader, contentKey, info) {
  const { suite } = reader
  const { sharedKey, ciphertext } = crypto.encapsulate(reader.lattice)
  const fresh = crypto.generateKeyPairSync(suite.curve.asymmetricKeyType, suite.curve)
  const sent = rawPublic(fresh.publicKey)
  const [key, nonce] = schedule(suite, [sharedKey, agree(fresh.privateKey, reader.curve), sent, reader.point], info)
  return { ek: Buffer.concat([ciphertext, sent]), encryptedKey: gcm(key, nonce, Buffer.alloc(0), contentKey) } // 7.4
}

function unwrap(own, ek, encryptedKey, info) {
  const { suite } = own
  const sent = ek.subarray(suite.sealedSize)
  const curveSecret = agree(own.curve, importPublic(sent, suite.curve))
  const shared = crypto.decapsulate(own.lattice, ek.subarray(0, suite.sealedSize))
  const [key, nonce] = schedule(suite, [shared, curveSecret, sent, own.point], info)
  return ungcm(key, nonce, Buffer.alloc(0), encryptedKey)
}

// ---- Section 8: manifest, signatures

function manifest({ protected: header, aad, iv, ciphertext, tag, recipients }) {
  const strings = ['setu1.manifest', header, aad, iv, ciphertext, tag]
  for (const each of recipients) strings.push(each.header.alg, each.header.kid, each.header.ek, each.encrypted_key)
  const netstrings = strings.map((each) => `${Buffer.byteLength(each)}:${each},`).join('')
  return jcs({ v: 'setu1', hdr: b64u(sha(384, utf8(aad))), jwe: b64u(sha(384, utf8(netstrings))) })
}

const encoding = (key) => key.alg === 'ES384' ? { key: key.key, dsaEncoding: 'ieee-p1363' } : key.key
const hashFor = (alg) => alg === 'ES384' ? 'sha384' : null

function signBoth(me, payload, typ) {
  return me.sign.map((key) => {
    const header = b64u(jcs({ alg: key.alg, kid: key.kid, typ }))
    return { protected: header, signature: b64u(crypto.sign(hashFor(key.alg), utf8(`${header}.${payload}`), encoding(key))) }
  })
}

function verifies(key, message, signature) {
  return crypto.verify(hashFor(key.alg), message, encoding(key), signature)
}

const signature = (holds, message) => must(holds, 'signature-invalid', message)

function readSignatures(found, typ) {
  signature(Array.isArray(found) && found.length === 2, 'expected exactly two signatures')
  return found.map((each) => {
    exactly(each, ['protected', 'signature'])
    const raw = unb64u(each.protected)
    const header = parse(raw, 'envelope-invalid')
    envelope(header && typeof header === 'object', 'expected a protected header')
    const { alg, kid } = header
    signature(!('crit' in header || 'b64' in header), 'expected no critical extension')
    must(!Object.keys(header).some((name) => /^(jwk|jku|x5)/.test(name)), 'key-unknown', 'expected a key named by kid alone')
    must(/^[\w-]{43}$/.test(kid), 'key-unknown', 'expected a kid that is a thumbprint')
    exactly(header, ['alg', 'kid', 'typ'])
    signature(header.typ === typ, `expected a signature of typ ${typ}`)
    envelope(jcs(header) === raw.toString(), 'expected a canonical protected header')
    signature(each.signature !== '', 'expected a signature, found none')
    return { alg, kid, signed: each.protected, bytes: unb64u(each.signature) }
  })
}

function checkSuite(signatures, suite, sig) { // the suite's two algorithms in order, the kids that were named, exact sizes
  signature(signatures.every((each, n) => each.alg === suite.sign[n]), 'expected the two algorithms of the suite, in order')
  signature(signatures.every((each, n) => each.kid === sig[n]), 'expected the kids that `sig` names')
  envelope(signatures.every((each, n) => each.bytes.length === suite.signatureSizes[n]), 'expected signatures of exact size')
}

function checkSignatures(me, signatures, payload, agency, at) { // both, each by itself
  for (const { alg, kid, signed, bytes } of signatures) {
    const key = directoryKey(me, agency, 'sign', (each) => each.kid === kid && each.alg === alg, at)
    signature(verifies(key, utf8(`${signed}.${payload}`), bytes), `expected the ${alg} signature to verify`)
  }
}

function directoryKey(me, agency, use, fits, at) { // ../../directory.md, "Look-up"
  const row = me.directory.agencies.find((each) => each.id === agency)
  const good = (row?.keys ?? []).filter((each) => each.use === use && each.state === 'active' &&
    each.not_before <= at && at < each.not_after && fits(each))
  must(good.length > 0, 'key-unknown', `expected a key of the agency for this use, good at that time`)
  const newest = good.reduce((one, other) => other.not_before > one.not_before ? other : one)
  const key = publicKey(newest.alg, unb64u(newest.public))
  must(key.kid === newest.kid, 'key-unknown', 'expected a kid that is the thumbprint of its key')
  return key
}

// ---- Section 10: what a sender does

function seal(me, kind, payload, handling, readers, now) {
  const suite = SUITES[me.directory.suite]
  // 1. The readers' wrap keys from the directory in force. Name the gateway too, and it can check the content.
  const keys = readers.map((agency) => directoryKey(me, agency, 'wrap', (each) => each.alg === suite.wrap, now))
  // 2. Draw r, content key and iv. Plain, HDR without commitment, commitment, HDR, aad.
  const [r, contentKey, iv] = [32, 32, 12].map((size) => crypto.randomBytes(size))
  const plain = pack(r, payload)
  const header = {
    v: 'setu1', id: uuid7(), aud: { realm: me.realm, gateway: me.gateway }, from: me.agency,
    to: readers.map((agency, n) => ({ agency, kid: keys[n].kid })), suite: me.directory.suite, kind, kind_version: 1,
    handling, precedence: 'ROUTINE', exercise: false, thread: uuid7(), iat: now, exp: now + 86400,
    sig: me.sign.map((key) => key.kid),
  }
  header.commitment = b64u(commitment(header, plain))
  const aad = b64u(jcs(header))
  // 3. Encrypt, wrap for each reader in order, build MAN, sign twice.
  const jweHeader = b64u(jcs({ enc: 'A256GCM', typ: 'setu1+jwe' }))
  const sealed = gcm(contentKey, iv, utf8(`${jweHeader}.${aad}`), plain)
  const recipients = keys.map((key) => {
    const { ek, encryptedKey } = wrap(key, contentKey, infoOf(aad))
    return { header: { alg: key.alg, kid: key.kid, ek: b64u(ek) }, encrypted_key: b64u(encryptedKey) }
  })
  const jwe = { protected: jweHeader, aad, iv: b64u(iv), ciphertext: b64u(sealed.subarray(0, -16)), tag: b64u(sealed.subarray(-16)), recipients }
  const man = manifest(jwe)
  const packet = { jwe, jws: { payload: b64u(man), signatures: signBoth(me, b64u(man), 'setu1+jws') } }
  return { packet, header, digest: b64u(sha(384, utf8(man))) }
}

function uuid7() { // RFC 9562, section 5.7
  const bytes = Buffer.concat([uint(6, Date.now()), crypto.randomBytes(10)])
  bytes[6] = 0x70 | bytes[6] & 0x0f
  bytes[8] = 0x80 | bytes[8] & 0x3f
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

// ---- Section 9: the verification recipe. `at`: seconds, the time of the packet's ledger entry

const AGENCY = /^(?=.{1,32}$)[a-z]{2}(-[a-z0-9]+)+$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const is = {
  text: (form) => (value) => typeof value === 'string' && form.test(value),
  bytes: (size) => (value) => { try { return unb64u(value, size).length === size } catch { return false } },
  integer: (low, high) => (value) => Number.isSafeInteger(value) && low <= value && value <= high,
  object: (value) => value !== null && typeof value === 'object' && !Array.isArray(value),
  list: (low, high, each) => (value) => Array.isArray(value) && low <= value.length && value.length <= high && value.every(each),
  of: (members, optional = {}) => (value) => is.object(value) && Object.keys(members).every((name) => name in value) &&
    Object.entries(value).every(([name, each]) => (Object.hasOwn(members, name) ? members[name] : optional[name])?.(each)),
}
const seconds = is.integer(0, Number.MAX_SAFE_INTEGER)
const audience = is.of({ realm: is.bytes(48), gateway: is.text(AGENCY) })
const twoKids = is.list(2, 2, is.bytes(32))
const isHeader = is.of({
  v: (value) => value === 'setu1', id: is.text(/^.{14}7/), aud: audience, from: is.text(AGENCY),
  to: is.list(1, 65, is.of({ agency: is.text(AGENCY), kid: is.bytes(32) })),
  suite: (value) => Object.hasOwn(SUITES, value), kind: is.text(/^(?=.{1,32}$)[a-z]+(-[a-z]+)*$/), kind_version: is.integer(1, 999),
  handling: is.object, precedence: is.text(/^(ROUTINE|PRIORITY|IMMEDIATE|FLASH)$/), exercise: (value) => typeof value === 'boolean',
  thread: is.text(UUID), iat: seconds, exp: seconds, commitment: is.bytes(48), sig: twoKids,
}, { in_reply_to: is.bytes(48), act: is.object, sources: (value) => is.list(1, 16, is.bytes(48))(value) && new Set(value).size === value.length })
const isBody = is.of({
  v: (value) => value === 'setu1.ack', aud: audience, by: is.text(AGENCY), event: is.text(/^(received|opened|rejected)$/), at: seconds,
  packet: is.of({ from: is.text(AGENCY), id: is.text(UUID), digest: is.bytes(48), index: seconds }), sig: twoKids,
}, { reason: is.text(/^[a-z0-9-]+$/) })

// What is signed has only integers from 0 to 2^53 - 1, ASCII names, no null.
const isProfile = (value) => value === null ? false : typeof value === 'number' ? seconds(value)
  : typeof value !== 'object' || Object.entries(value).every(([name, each]) => /^[\0-\x7f]*$/.test(name) && isProfile(each))

function readSigned(text, isSchema) {
  const raw = unb64u(text)
  const value = parse(raw, 'envelope-invalid')
  must(isSchema(value) && isProfile(value), 'schema', 'expected a header, or body, of the schema')
  envelope(jcs(value) === raw.toString(), 'expected the canonical form (RFC 8785)')
  return value
}

function verify(me, packet, at) {
  // 1. Shape: exactly these members, canonical base64url, exact sizes.
  exactly(packet, ['jwe', 'jws'])
  const jwe = exactly(packet.jwe, ['protected', 'aad', 'iv', 'ciphertext', 'tag', 'recipients'])
  envelope(jwe.protected === b64u('{"enc":"A256GCM","typ":"setu1+jwe"}'), 'expected the one protected header of a JWE')
  envelope(is.list(1, 65, is.object)(jwe.recipients), 'expected 1 to 65 recipients')
  unb64u(jwe.iv, 12)
  unb64u(jwe.tag, 16)
  const body = unb64u(jwe.ciphertext).length - 32
  for (const each of jwe.recipients) {
    exactly(each, ['header', 'encrypted_key'])
    exactly(each.header, ['alg', 'kid', 'ek'])
    unb64u(each.header.kid, 32)
    unb64u(each.encrypted_key, 48)
    envelope(typeof each.header.alg === 'string', 'expected the name of a key wrap')
  }
  const jws = packet.jws && !('signatures' in packet.jws) ? { ...packet.jws, signatures: [] } : packet.jws
  exactly(jws, ['payload', 'signatures'])
  const signatures = readSignatures(jws.signatures, 'setu1+jws')
  // 2. Manifest: MAN recomputed from the received strings equals the JWS payload.
  const man = manifest(jwe)
  envelope(jws.payload === b64u(man), 'expected the manifest of this JWE')
  // 3. Header: HDR parses, is its schema, is canonical; `aud` is mine, `suite` the realm's; algorithms and kids.
  envelope(jwe.aad.length <= 16384 * 4 / 3, 'expected a header of at most 16,384 bytes')
  const header = readSigned(jwe.aad, isHeader)
  const suite = SUITES[header.suite]
  checkSuite(signatures, suite, header.sig)
  must(header.aud.realm === me.realm && header.aud.gateway === me.gateway, 'wrong-audience', 'expected a packet for this realm and gateway')
  must(header.suite === me.directory.suite, 'wrong-suite', "expected the realm's suite")
  // 1 again: the sizes that the suite sets; an `ek` is sound.
  envelope(body >= 1024 && padme(body) === body, 'expected a padded size')
  for (const each of jwe.recipients) {
    envelope(each.header.alg === suite.wrap, "expected the suite's key wrap")
    const ek = unb64u(each.header.ek, suite.sealedSize + suite.pointSize)
    try { pointSound(suite, ek.subarray(suite.sealedSize)) } catch { envelope(false, 'expected a sound curve point') }
  }
  // 5. Readers: `to` and `recipients` agree one to one, in order; no agency and no kid twice.
  envelope(header.to.map((each) => each.kid).join() === jwe.recipients.map((each) => each.header.kid).join(), 'expected a wrap for each reader')
  for (const name of ['agency', 'kid']) envelope(new Set(header.to.map((each) => each[name])).size === header.to.length, `expected each ${name} once`)
  const others = header.to.filter((each) => each.agency !== me.gateway).length
  envelope(1 <= others && others <= 64, 'expected 1 to 64 recipients beside the gateway')
  // 4. Signatures: both verify over the received bytes, each with the directory's key, and each by itself.
  checkSignatures(me, signatures, jws.payload, header.from, at)
  return { header, jwe, digest: b64u(sha(384, utf8(man))) }
}

function open(me, { header, jwe }) {
  // 7. Open: I am in `to`; unwrap, decrypt, recompute the commitment in constant time, unpad strictly.
  const place = header.to.findIndex((each) => each.agency === me.agency)
  const own = me.wrap.find((key) => key.kid === header.to[place]?.kid)
  must(own, 'not-for-me', 'expected a packet wrapped to a key of mine')
  const { header: { ek }, encrypted_key: encryptedKey } = jwe.recipients[place]
  const contentKey = unwrap(own, unb64u(ek), unb64u(encryptedKey), infoOf(jwe.aad))
  const sealed = Buffer.concat([unb64u(jwe.ciphertext), unb64u(jwe.tag)])
  const plain = ungcm(contentKey, unb64u(jwe.iv), utf8(`${jwe.protected}.${jwe.aad}`), sealed)
  must(crypto.timingSafeEqual(commitment(header, plain), unb64u(header.commitment)), 'commitment-mismatch', 'expected the content that was signed')
  const payload = plain.subarray(36, 36 + plain.readUInt32BE(32))
  envelope(pack(plain.subarray(0, 32), payload).equals(plain), 'expected the length, and padding with zeros')
  return parse(payload, 'json-invalid')
}

// ---- ../../ledger.md, section 5: the receipt of an `accepted` or `acknowledged` entry

const receipted = (holds, message) => must(holds, 'receipt-invalid', message)

function readReceipt(me, receipt) {
  const log = me.directory.logs.find((each) => each.gateway === me.gateway)
  const { origin } = log
  exactly(receipt, ['v', 'entry', 'index', 'path', 'checkpoint'], 'receipt-invalid')
  receipted(receipt.v === 'setu1.receipt' && seconds(receipt.index) && is.list(0, 64, is.bytes(32))(receipt.path), 'expected a receipt')
  // 1. The checkpoint is of the log's origin. A key of the log signed it at most once, and what it signed verifies; both
  // keys of one pair did, the current or a former one that counts up to a log of that size.
  const [, text, name, size, root64, lines] = /^((.+)\n(0|[1-9]\d{0,15})\n([\w+/=]+)\n)\n((?:\u2014 .+\n)+)$/.exec(receipt.checkpoint) ?? []
  receipted(name === origin, 'expected a checkpoint of the log that the directory names')
  const root = Buffer.from(root64, 'base64')
  receipted(root.length === 32 && root.toString('base64') === root64, 'expected a root of 32 bytes')
  const short = Buffer.concat([uint(1, origin.length), utf8(origin)])
  const cosigned = Buffer.concat([utf8('subtree/v1\n\0'), short, uint(8, 0), short, uint(8, 0), uint(8, Number(size)), root])
  const signed = (vkey, alg, message, before) => {
    const key = Buffer.from(vkey.slice(vkey.indexOf('+', vkey.indexOf('+') + 1) + 1), 'base64')
    const id = sha(256, utf8(`${origin}\n`), key).subarray(0, 4)
    const mine = lines.trimEnd().split('\n').map((line) => line.split(' ')).filter((line) => line[1] === origin)
      .map((line) => Buffer.from(line[2], 'base64')).filter((bytes) => bytes.subarray(0, 4).equals(id)).map((bytes) => bytes.subarray(4))
    if (mine.length === 0) return false
    receipted(mine.length === 1 && mine[0].subarray(0, before.length).equals(utf8(before)), `expected one ${alg} signature of the log`)
    receipted(verifies(publicKey(alg, key.subarray(1)), message, mine[0].subarray(before.length)), `expected the log's ${alg} signature to verify`)
    return true
  }
  const both = ({ ed25519, mldsa44 }) => [signed(ed25519, 'Ed25519', utf8(text), ''), signed(mldsa44, 'ML-DSA-44', cosigned, uint(8, 0))].every(Boolean)
  const pairs = [log, ...(log.former ?? [])].filter(both)
  receipted(pairs.some((pair) => pair.size === undefined || Number(size) <= pair.size), 'expected both signatures of a pair of the log that counts at this size')
  // 2. Leaf hash, index and path lead to the root (../../ledger.md, section 2; RFC 9162, section 2.1.3.2).
  const raw = unb64u(receipt.entry)
  let [fn, sn, hash] = [receipt.index, Number(size) - 1, sha(256, uint(1, 0), raw)]
  receipted(fn <= sn, 'expected an index within the tree')
  for (const step of receipt.path) {
    receipted(sn > 0, 'expected a shorter path')
    if (fn % 2 === 1 || fn === sn) {
      hash = sha(256, uint(1, 1), unb64u(step), hash)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)]
    } else hash = sha(256, uint(1, 1), hash, unb64u(step));
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)]
  }
  receipted(sn === 0 && hash.equals(root), 'expected the path to lead to the root')
  // 3. Strict JSON. 5. The directory is one's own copy of that version; another hash for it is an alarm.
  const entry = parse(raw, 'receipt-invalid')
  const { version, hash: directory } = entry.directory
  if (version !== me.directory.version) throw new Error(`The receipt needs directory version ${version}, directory.json is ${me.directory.version}: fetch that version.`)
  if (directory !== me.directoryHash) throw new Error(`ALARM: two directories of version ${version}. Stop, keep the receipt, tell the other agencies.`)
  return { entry, index: receipt.index, at: Math.floor(Date.parse(entry.time) / 1000) }
}

function expect({ entry }, type, actor, { from, id, digest }, me) { // 4. It is the entry one expects.
  const { aud, packet } = entry
  receipted(entry.type === type && entry.actor === actor, `expected an ${type} entry of ${actor}`)
  receipted(aud.realm === me.realm && aud.gateway === me.gateway, 'expected an entry of this log')
  receipted(packet?.from === from && packet.id === id && packet.digest === digest, 'expected the entry of this packet')
}

// ---- Section 11: acknowledgements

function acknowledge(me, { header, digest }, index, event, reason) {
  const body = {
    v: 'setu1.ack', aud: header.aud, by: me.agency, event, ...(reason && { reason }), at: Math.floor(Date.now() / 1000),
    packet: { from: header.from, id: header.id, digest, index }, sig: me.sign.map((key) => key.kid),
  }
  const payload = b64u(jcs(body))
  return { payload, signatures: signBoth(me, payload, 'setu1+ack') }
}

function verifyAcknowledgement(me, acknowledgement, at) {
  exactly(acknowledgement, ['payload', 'signatures'])
  const signatures = readSignatures(acknowledgement.signatures, 'setu1+ack')
  const body = readSigned(acknowledgement.payload, isBody)
  must((body.event === 'rejected') === ('reason' in body), 'schema', 'expected a reason with `rejected`, and only then')
  checkSuite(signatures, SUITES[me.directory.suite], body.sig)
  must(body.aud.realm === me.realm && body.aud.gateway === me.gateway, 'wrong-audience', 'expected an acknowledgement for this realm and gateway')
  checkSignatures(me, signatures, acknowledgement.payload, body.by, at)
  return body
}

// ---- ../../http.md: TLS 1.3 with the agency's certificate

function ask(me, method, path, body) {
  const headers = { 'Content-Type': 'application/vnd.setu.packet+json' }
  const options = { method, ...me.tls, minVersion: 'TLSv1.3', headers: body ? headers : {}, timeout: 60_000 }
  return new Promise((resolve, reject) => {
    const asked = request(me.url + path, options, async (answer) => {
      try {
        resolve([answer.statusCode, parse(Buffer.concat(await answer.toArray()), 'json-invalid')])
      } catch (error) { reject(error) }
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 60 s'))).on('error', reject).end(body)
  })
}

const told = (status, { detail, rules = [] }) => // rules of the release policy: what stood against whom, and what would change it
  [`The gateway answers ${status}: ${detail}`, ...rules.map((hit) => `  ${hit.rule} (${hit.recipient}): ${hit.sentence} ${hit.remedy}`)].join('\n')

async function post(me, path, object) { // a lost answer or 503: the same bytes again is always safe
  const body = JSON.stringify(object)
  for (let tries = 1; ; tries += 1) {
    try {
      const [status, answer] = await ask(me, 'POST', path, body)
      if (status === 200 || status === 201) return answer
      if (tries === 5 || ![429, 503].includes(status)) refuse(answer.code, told(status, answer))
    } catch (error) { if (tries === 5 || error instanceof Refused) throw error }
    await new Promise((resolve) => { setTimeout(resolve, 1000 * tries) })
  }
}

// ---- The three commands

function load(folder) {
  const at = (name) => readFileSync(join(folder, name))
  const setting = (name) => new RegExp(`^${name} = "(.*)"$`, 'm').exec(at('agency.toml'))?.[1]
  const keys = readdirSync(join(folder, 'keys')).filter((name) => name.endsWith('.key')).map((name) => {
    const file = parse(at(`keys/${name}`), 'json-invalid')
    const key = privateKey(file.alg, unb64u(file.seed, 32))
    if (key.kid !== file.kid) throw new Error(`Expected in ${name} the kid of its seed, found another.`)
    return key
  })
  const document = at('directory.json')
  const directory = parse(document, 'json-invalid')
  if (existsSync(join(folder, 'wrap-keys.json'))) { // ../../directory.md, "A gateway's wrap keys"
    const daily = parse(at('wrap-keys.json'), 'json-invalid')
    directory.agencies.find((each) => each.id === daily.gateway).keys.push(...daily.keys)
  }
  return {
    agency: setting('agency'), gateway: setting('gateway'), url: setting('url'),
    realm: b64u(sha(384, at('root.json'))), directory, directoryHash: b64u(sha(384, document)),
    sign: SUITES[directory.suite].sign.map((alg) => keys.find((key) => key.alg === alg)), wrap: keys.filter((key) => key.suite),
    tls: { key: at('tls.key'), cert: at('tls.pem'), ca: at('gateway-ca.pem') },
  }
}

const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`)

async function send(me, kind, payloadFile, handlingFile, ...readers) {
  const handling = parse(readFileSync(handlingFile), 'json-invalid')
  const { packet, header, digest } = seal(me, kind, readFileSync(payloadFile), handling, readers, Math.floor(Date.now() / 1000))
  // 4. POST. 5. Check the receipt: without one that verifies, nothing is known to be accepted.
  const receipt = readReceipt(me, await post(me, '/v1/packets', packet))
  expect(receipt, 'accepted', me.agency, { from: header.from, id: header.id, digest }, me)
  say({ index: receipt.index, digest })
}

async function receive(me, kind) {
  for (let cursor = ''; ;) {
    const [status, page] = await ask(me, 'GET', `/v1/topics/setu.${me.agency}.${kind}/packets?limit=100${cursor}`)
    if (status !== 200) refuse(page.code, told(status, page))
    if (page.items.length === 0) return
    for (const item of page.items) if (!item.gone) await receiveOne(me, item) // else a tombstone: nothing to open
    cursor = `&cursor=${encodeURIComponent(page.cursor)}`
  }
}

async function receiveOne(me, item) {
  let verified, payload, reason
  // 6. Receipt: it verifies, and its entry is this packet's. Its time says which keys were valid, so it comes first.
  const receipt = readReceipt(me, item.receipt)
  try {
    verified = verify(me, item.packet, receipt.at)
    expect(receipt, 'accepted', verified.header.from, { ...verified.header, digest: verified.digest }, me)
    payload = open(me, verified)
    say({ index: receipt.index, digest: verified.digest, from: verified.header.from, payload })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    reason = error.code
    say({ index: receipt.index, refused: reason, why: error.message })
  }
  const { aud, packet: named } = receipt.entry
  const acknowledgement = acknowledge(me, { header: { aud, from: named.from, id: named.id }, digest: named.digest }, receipt.index, reason ? 'rejected' : 'opened', reason)
  const answer = readReceipt(me, await post(me, '/v1/acknowledgements', acknowledgement))
  expect(answer, reason ? 'rejected_by_recipient' : 'acknowledged', me.agency, named, me)
}

function check(me) {
  for (const line of readFileSync(0, 'utf8').trimEnd().split('\n')) {
    const now = Math.floor(Date.now() / 1000)
    try {
      const found = parse(utf8(line), 'json-invalid')
      if (found?.public) say({ kid: publicKey(found.alg, unb64u(found.public)).kid, own: found.seed && privateKey(found.alg, unb64u(found.seed, 32)).kid })
      else if (found?.checkpoint) say({ index: readReceipt(me, found).index })
      else if (found?.payload) say({ acknowledged: verifyAcknowledgement(me, found, now).event })
      else say(((verified) => ({ digest: verified.digest, payload: open(me, verified) }))(verify(me, found, now)))
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      say({ refused: error.code, why: error.message })
    }
  }
}

const USAGE = `Expected one of:
  node setu.mjs send FOLDER KIND PAYLOAD.json HANDLING.json READER...
  node setu.mjs receive FOLDER KIND
  node setu.mjs check FOLDER <lines`
const [command, folder, ...rest] = process.argv.slice(2)
const needs = { send: [send, 4], receive: [receive, 1], check: [check, 0] }
try {
  const [run, least] = needs[command] ?? []
  if (!folder || !(rest.length >= least)) throw new Error(USAGE)
  await run(load(folder), ...rest)
} catch (error) {
  console.error(error instanceof Refused ? `Refused (${error.code}): ${error.message}` : error.message)
  process.exitCode = 1
}
