-- What `openssl` measures by time only, as a fixed amount of work in one process, by the same library: `gcm MIB` seals so
-- much with AES-128-GCM, `sign N` and `verify N` do so with RSA, PKCS#1 and SHA-256. Prints what came out.
local ffi = require("ffi")
ffi.cdef([[
void *EVP_CIPHER_CTX_new(void);
const void *EVP_aes_128_gcm(void);
int EVP_EncryptInit_ex(void *, const void *, void *, const char *, const char *);
int EVP_EncryptUpdate(void *, uint8_t *, int *, const uint8_t *, int);
int EVP_EncryptFinal_ex(void *, uint8_t *, int *);
int EVP_CIPHER_CTX_ctrl(void *, int, int, void *);
void *BIO_new_file(const char *, const char *);
void *PEM_read_bio_PrivateKey(void *, void *, void *, void *);
void *EVP_MD_CTX_new(void);
const void *EVP_sha256(void);
int EVP_DigestSignInit(void *, void *, const void *, void *, void *);
int EVP_DigestSign(void *, uint8_t *, size_t *, const char *, size_t);
int EVP_DigestVerifyInit(void *, void *, const void *, void *, void *);
int EVP_DigestVerify(void *, const uint8_t *, size_t, const char *, size_t);
]])
local crypto = ffi.load("libcrypto.so.3")
local kind, count = arg[1], tonumber(arg[2])

local function hex(bytes, length)
    return (ffi.string(bytes, length):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

if kind == "gcm" then
    local size = 2 ^ 20
    local bytes, length, tag = ffi.new("uint8_t[?]", size), ffi.new("int[1]"), ffi.new("uint8_t[16]")
    local context = crypto.EVP_CIPHER_CTX_new()
    local key, iv = ("k"):rep(16), ("i"):rep(12)
    assert(crypto.EVP_EncryptInit_ex(context, crypto.EVP_aes_128_gcm(), nil, key, iv) == 1)
    for _ = 1, count do assert(crypto.EVP_EncryptUpdate(context, bytes, length, bytes, size) == 1) end
    assert(crypto.EVP_EncryptFinal_ex(context, bytes, length) == 1)
    local get_tag = 0x10
    assert(crypto.EVP_CIPHER_CTX_ctrl(context, get_tag, 16, tag) == 1)
    print(hex(tag, 16))
else
    local key = crypto.PEM_read_bio_PrivateKey(crypto.BIO_new_file("rsa.pem", "r"), nil, nil, nil)
    assert(key ~= nil)
    local context, sha256 = crypto.EVP_MD_CTX_new(), crypto.EVP_sha256()
    local signature, length = ffi.new("uint8_t[256]"), ffi.new("size_t[1]")
    local function sign(text)
        length[0] = 256
        assert(crypto.EVP_DigestSignInit(context, nil, sha256, nil, key) == 1)
        assert(crypto.EVP_DigestSign(context, signature, length, text, #text) == 1)
    end
    local good = 0
    sign("0")
    for i = 1, count do
        if kind == "sign" then
            sign(tostring(i))
        else
            local text = tostring(i % 2)
            assert(crypto.EVP_DigestVerifyInit(context, nil, sha256, nil, key) == 1)
            if crypto.EVP_DigestVerify(context, signature, 256, text, #text) == 1 then good = good + 1 end
        end
    end
    print(good, hex(signature, 256))
end
