/* librdkafka as a peer: BROKER TOPIC FILE SIZE RECORDS CODEC LATENCY
 * Sends RECORDS records of SIZE bytes, taken round and round from FILE without a
 * copy, and prints the seconds from the first to the last acknowledgement. With
 * LATENCY 1 each record waits for the one before. */
#include <librdkafka/rdkafka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static long good, bad;
static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *o) { if (m->err) bad++; else good++; }
static void set(rd_kafka_conf_t *c, const char *k, const char *v) {
	char e[256];
	if (rd_kafka_conf_set(c, k, v, e, sizeof e) != RD_KAFKA_CONF_OK) { fprintf(stderr, "%s\n", e); exit(2); }
}
static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
int main(int argc, char **argv) {
	if (argc != 8) return 2;
	long size = atol(argv[4]), n = atol(argv[5]), i, lat = atol(argv[7]);
	rd_kafka_conf_t *c = rd_kafka_conf_new();
	set(c, "bootstrap.servers", argv[1]);
	set(c, "enable.idempotence", "true");
	set(c, "linger.ms", lat ? "0" : "5");
	set(c, "batch.size", "1000000");
	set(c, "batch.num.messages", "10000");
	set(c, "compression.codec", argv[6]);
	set(c, "queue.buffering.max.messages", "1000000");
	set(c, "queue.buffering.max.kbytes", "262144");
	rd_kafka_conf_set_dr_msg_cb(c, delivered);
	char e[256];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, c, e, sizeof e);
	if (!rk) { fprintf(stderr, "%s\n", e); return 2; }
	rd_kafka_topic_t *t = rd_kafka_topic_new(rk, argv[2], NULL);
	int fd = open(argv[3], O_RDONLY);
	struct stat st;
	fstat(fd, &st);
	char *p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	long each = st.st_size / size;
	/* the first record brings up connections and the producer id, unmeasured */
	rd_kafka_produce(t, RD_KAFKA_PARTITION_UA, 0, p, size, NULL, 0, NULL);
	rd_kafka_flush(rk, 30000);
	good = 0;
	double from = now();
	for (i = 0; i < n; i++) {
		while (rd_kafka_produce(t, RD_KAFKA_PARTITION_UA, 0, p + i % each * size, size, NULL, 0, NULL) == -1) {
			if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) { bad++; break; }
			rd_kafka_poll(rk, 10);
		}
		if (lat) while (good + bad <= i) rd_kafka_poll(rk, 1000);
		else if (!(i & 255)) rd_kafka_poll(rk, 0);
	}
	rd_kafka_flush(rk, 120000);
	printf("{\"seconds\":%f,\"version\":\"%s\"}\n", now() - from, rd_kafka_version_str());
	return bad || good != n;
}
