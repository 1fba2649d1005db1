package services

import (
	"context"
	"sync"
	"testing"
)

// once starts a service at its first use and keeps it, or the reason why it
// did not start: a service that failed once is not waited for in every test.
type once[T any] struct {
	mu      sync.Mutex
	started bool
	value   T
	err     error
}

func (o *once[T]) get(start func() (T, func(), error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.started {
		var stop func()
		o.started = true
		if o.value, stop, o.err = start(); o.err == nil {
			running.add(stop)
		}
	}
	return o.value, o.err
}

// What this test process has started. Package state, because tests of one
// process share a service: starting Kafka for each would cost minutes.
var (
	running   stopList
	open      once[*KafkaCluster]
	openThree once[*KafkaCluster]
	keycloak  once[*KeycloakServer]
	registry  once[*RegistryServer]
	kerberos  once[*KDC]
	secure    once[*SecureCluster]
	headrace  once[string]
)

type stopList struct {
	mu    sync.Mutex
	stops []func()
}

func (l *stopList) add(stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stops = append(l.stops, stop)
}

func (l *stopList) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.stops) - 1; i >= 0; i-- {
		l.stops[i]()
	}
	l.stops = nil
}

// Main runs the tests and then stops every service they started. Use it as
//
//	func TestMain(m *testing.M) { os.Exit(services.Main(m)) }
func Main(m *testing.M) int {
	defer running.run()
	return m.Run()
}

// StopAll stops every service this process has started, for a TestMain that
// has other things to do after the tests.
func StopAll() { running.run() }

// Kafka returns the single open broker that the tests of this process share.
func Kafka(t testing.TB) *KafkaCluster {
	t.Helper()
	return must(t, &open, func() (*KafkaCluster, func(), error) {
		return StartKafka(context.Background(), KafkaOptions{})
	})
}

// KafkaCluster3 returns the three open brokers that the tests of this process
// share: replication 3, at least 2 in sync. A test that kills a broker
// restarts it.
func KafkaCluster3(t testing.TB) *KafkaCluster {
	t.Helper()
	return must(t, &openThree, func() (*KafkaCluster, func(), error) {
		return StartKafka(context.Background(), KafkaOptions{Brokers: 3})
	})
}

// Keycloak returns the identity provider that the tests of this process share.
func Keycloak(t testing.TB) *KeycloakServer {
	t.Helper()
	return must(t, &keycloak, func() (*KeycloakServer, func(), error) {
		return startKeycloak(context.Background(), false)
	})
}

// Registry returns the schema registry that the tests of this process share.
// Subjects are shared too: tests name theirs apart.
func Registry(t testing.TB) *RegistryServer {
	t.Helper()
	return must(t, &registry, func() (*RegistryServer, func(), error) {
		return startRegistry(context.Background(), false)
	})
}

// Kerberos returns the KDC that the tests of this process share.
func Kerberos(t testing.TB) *KDC {
	t.Helper()
	return must(t, &kerberos, func() (*KDC, func(), error) { return startKDC(context.Background(), false) })
}

// SecureKafka returns the broker with every secured listener that the tests of
// this process share, and with it Keycloak and the KDC.
func SecureKafka(t testing.TB) *SecureCluster {
	t.Helper()
	kdc, kc := Kerberos(t), Keycloak(t)
	return must(t, &secure, func() (*SecureCluster, func(), error) {
		return startSecure(context.Background(), kc, kdc, false)
	})
}

func must[T any](t testing.TB, o *once[T], start func() (T, func(), error)) T {
	t.Helper()
	v, err := o.get(start)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
