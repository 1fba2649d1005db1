// Package services installs and starts the real services that the integration
// suites talk to: Apache Kafka (open, secured, three brokers), Keycloak,
// Apicurio Registry and an MIT Kerberos KDC.
//
// A test asks for what it needs and gets addresses:
//
//	func TestMain(m *testing.M) { os.Exit(services.Main(m)) }
//
//	func TestExport(t *testing.T) {
//		kafka := services.Kafka(t)
//		… kafka.Bootstrap …
//	}
//
// Each service is started at its first use, once a test process, on loopback
// and on free ports, with its data in a temporary folder; Main stops them all.
// A service that cannot be installed or started fails the test with the end of
// its log. Nothing is ever skipped.
//
// The programs come from Maven Central and, for Kerberos, from Debian. They
// are kept in test/services/.cache, so only the first run needs a network.
// Needed: Java 17 or later for Kafka, 21 or later for Keycloak and Apicurio
// (JAVA_HOME, PATH and /usr/lib/jvm are looked through), and Maven.
package services
