// Package embedded runs a Kafka broker and an OpenID Connect issuer inside the
// process, for "headrace dev", for --embedded and for tests: nothing to
// install, on loopback, started in milliseconds.
//
// The broker is franz-go's kfake behind a gate that bounds what a connection
// may send and does the authentication. kfake could do PLAIN and SCRAM itself,
// but it has no OAUTHBEARER, answers refused credentials by hanging up, and its
// control functions cannot tell one connection from another, which the refusal
// of unauthenticated ones needs.
//
// The issuer speaks the parts of Keycloak that clients of Kafka use, loads a
// Keycloak realm export, and fails on demand.
//
// Neither is made for production: one goroutine serves all of the broker's
// requests, and the issuer keeps its keys in memory.
package embedded
