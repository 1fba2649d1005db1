#!/bin/sh
# Makes the stores of the tests with the tools that users have: openssl and
# Java's keytool. Run it in this folder; the results are kept in the repository
# so that the tests need neither. Everything ends in a hundred years.
set -eu
STORE=store-secret KEY=key-secret DAYS=36500
umask 022
rm -f ./*.pem ./*.p12 ./*.jks ./*.jceks

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days $DAYS -subj "/CN=Test CA" 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout rsa.pem -out client.csr -subj "/CN=exporter" 2>/dev/null
openssl x509 -req -in client.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out client.pem -days $DAYS 2>/dev/null

# One key in every form that a PEM file has it in.
openssl pkcs8 -topk8 -in rsa.pem -nocrypt -out pkcs8.pem
openssl rsa -in rsa.pem -traditional -out pkcs1.pem 2>/dev/null
openssl pkcs8 -topk8 -in rsa.pem -v2 aes-256-cbc -v2prf hmacWithSHA256 -passout pass:$KEY -out pbes2-aes.pem
openssl pkcs8 -topk8 -in rsa.pem -v2 des3 -v2prf hmacWithSHA1 -passout pass:$KEY -out pbes2-des3.pem
openssl pkcs8 -topk8 -in rsa.pem -scrypt -passout pass:$KEY -out pbes2-scrypt.pem
openssl pkcs8 -topk8 -in rsa.pem -v2 aes-192-cbc -v2prf hmacWithSHA512 -passout pass:$KEY -out pbes2-sha512.pem
openssl pkcs8 -topk8 -in rsa.pem -v1 PBE-SHA1-3DES -passout pass:$KEY -out pbes1.pem
openssl pkcs8 -topk8 -in rsa.pem -v2 aes-256-cbc -iter 50000000 -passout pass:$KEY -out costly.pem # takes half a minute
openssl dsaparam -genkey -noout -out dsa.pem 2048 2>/dev/null
openssl genpkey -algorithm ed448 -out ed448.pem
openssl rsa -in rsa.pem -traditional -aes128 -passout pass:$KEY -out rfc1421.pem 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out sec1.pem
openssl genpkey -algorithm ed25519 -out ed25519.pem
cat client.pem pbes2-aes.pem > both.pem

# PKCS #12 by openssl: today's and yesterday's encryption.
openssl pkcs12 -export -in client.pem -inkey rsa.pem -certfile ca.pem -passout pass:$STORE -out openssl.p12
openssl pkcs12 -export -legacy -in client.pem -inkey rsa.pem -certfile ca.pem -passout pass:$STORE -out legacy.p12
openssl pkcs12 -export -in ca.pem -inkey ca-key.pem -passout pass:$STORE -out ca-and-key.p12
openssl pkcs12 -export -nokeys -in ca.pem -passout pass:$STORE -out openssl-trust.p12
openssl pkcs12 -export -in client.pem -inkey rsa.pem -passout pass:$STORE -iter 6000000 -out costly.p12 # takes half a minute

# Stores by keytool.
keytool -importcert -noprompt -alias ca -file ca.pem -storetype PKCS12 -keystore keytool-trust.p12 -storepass $STORE 2>/dev/null
keytool -importcert -noprompt -alias ca -file ca.pem -storetype JKS -keystore trust.jks -storepass $STORE 2>/dev/null
keytool -importcert -noprompt -alias ca -file ca.pem -keystore modern.jks -storepass $STORE 2>/dev/null # PKCS #12, whatever it is called
keytool -importkeystore -noprompt -srckeystore openssl.p12 -srcstoretype PKCS12 -srcstorepass $STORE -destkeystore keytool.p12 -deststoretype PKCS12 -deststorepass $STORE 2>/dev/null
keytool -importkeystore -noprompt -srckeystore openssl.p12 -srcstoretype PKCS12 -srcstorepass $STORE -srcalias 1 -destalias client -destkeystore client.jks -deststoretype JKS -deststorepass $STORE -destkeypass $KEY 2>/dev/null
keytool -importkeystore -noprompt -srckeystore client.jks -srcstorepass $STORE -srcalias client -srckeypass $KEY -destalias one -destkeystore two.jks -deststoretype JKS -deststorepass $STORE -destkeypass $KEY 2>/dev/null
keytool -importkeystore -noprompt -srckeystore client.jks -srcstorepass $STORE -srcalias client -srckeypass $KEY -destalias two -destkeystore two.jks -deststoretype JKS -deststorepass $STORE -destkeypass $KEY 2>/dev/null
cp keytool-trust.p12 mixed.p12 # a CA to trust, and then the key
keytool -importkeystore -noprompt -srckeystore openssl.p12 -srcstoretype PKCS12 -srcstorepass $STORE -destkeystore mixed.p12 -deststorepass $STORE 2>/dev/null
keytool -importkeystore -noprompt -srckeystore trust.jks -srcstorepass $STORE -destkeystore trust.jceks -deststoretype JCEKS -deststorepass $STORE 2>/dev/null
keytool -genkeypair -alias ec -keyalg EC -groupname secp256r1 -dname CN=elliptic -validity $DAYS -storetype PKCS12 -keystore elliptic.p12 -storepass $STORE 2>/dev/null
rm -f client.csr ca-key.pem ca.srl

# What Java and openssl do beyond that: passwords beyond ASCII, stores without an
# integrity check, certificates with what they are trusted for, a serial number
# that a strict reader refuses.
LC_ALL=C.UTF-8; export LC_ALL
BEYOND='pässwörd€🔑'
keytool -importcert -noprompt -alias ca -file ca.pem -storetype JKS -keystore beyond-trust.jks -storepass "$BEYOND" 2>/dev/null
keytool -importkeystore -noprompt -srckeystore openssl.p12 -srcstoretype PKCS12 -srcstorepass $STORE -destkeystore beyond.jks -deststoretype JKS \
  -deststorepass "$BEYOND" -destkeypass "$BEYOND" -srcalias 1 2>/dev/null
keytool -importcert -noprompt -alias ca -file ca.pem -storetype PKCS12 -keystore nomac-trust.p12 -storepass $STORE \
  -J-Dkeystore.pkcs12.macAlgorithm=NONE -J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE 2>/dev/null
openssl pkcs12 -export -nomac -in client.pem -inkey pkcs8.pem -certfile ca.pem -passout pass:$STORE -out nomac.p12
openssl x509 -in ca.pem -trustout -addtrust serverAuth -setalias ours -out trusted.pem
openssl x509 -in ca.pem -trustout -addreject serverAuth -out rejected.pem
openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out negative.pem -days $DAYS -set_serial -5 -subj "/CN=Negative" 2>/dev/null
