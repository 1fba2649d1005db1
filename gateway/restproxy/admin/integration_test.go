//go:build integration

package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// realProxy is the endpoints on a real cluster.
type realProxy struct {
	*proxy
	id string
}

func onReal(t *testing.T, s kafka.Settings) *realProxy {
	t.Helper()
	c, err := kafka.NewCluster("real", s, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	a := admin.New(c)
	id, err := a.ID(t.Context())
	if err != nil {
		id = "unknown" // the test is about why
	}
	return &realProxy{&proxy{t: t, handler: serve(t, Deps{Clusters: Fixed{a}}), admin: a}, id}
}

// ask calls an endpoint below the cluster and returns what it answers.
func (p *realProxy) ask(status int, method, path, body string) map[string]any {
	p.t.Helper()
	w := p.must(status, method, "/v3/clusters/"+p.id+path, body)
	out := map[string]any{}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			p.t.Fatalf("%s: %v", w.Body, err)
		}
	}
	return out
}

// eventually asks until the answer is right: brokers learn of a change one
// after the other.
func (p *realProxy) eventually(what, path string, right func(map[string]any) bool) map[string]any {
	p.t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var last map[string]any
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-ticker.C {
		w := p.call("GET", "/v3/clusters/"+p.id+path, "")
		last = map[string]any{}
		if err := json.Unmarshal(w.Body.Bytes(), &last); err == nil && w.Code == 200 && right(last) {
			return last
		}
	}
	p.t.Fatalf("%s: %v", what, last)
	return nil
}

func (p *realProxy) topic(name, body string) {
	p.t.Helper()
	p.ask(201, "POST", "/topics", fmt.Sprintf(`{"topic_name":%q%s}`, name, body))
	p.t.Cleanup(func() { p.call("DELETE", "/v3/clusters/"+p.id+"/topics/"+name, "") })
	p.eventually("the topic", "/topics/"+name, func(map[string]any) bool { return true })
}

func entries(m map[string]any) []map[string]any {
	var out []map[string]any
	list, _ := m["data"].([]any)
	for _, item := range list {
		out = append(out, item.(map[string]any))
	}
	return out
}

func open3(t *testing.T) (*realProxy, *services.KafkaCluster) {
	k := services.KafkaCluster3(t)
	return onReal(t, kafka.Settings{BootstrapServer: k.Bootstrap}), k
}

func TestRealPlacement(t *testing.T) {
	p, _ := open3(t)
	if n := len(entries(p.ask(200, "GET", "/brokers", ""))); n != 3 {
		t.Fatalf("%d brokers", n)
	}
	p.topic("placed", `,"replicas_assignments":{"0":[1,2],"1":[2,3],"2":[3,1]}`)
	for partition, want := range []string{"1 true,2 false", "2 true,3 false", "3 true,1 false"} {
		var got []string
		for _, r := range entries(p.ask(200, "GET", fmt.Sprintf("/topics/placed/partitions/%d/replicas", partition), "")) {
			got = append(got, fmt.Sprintf("%v %v", r["broker_id"], r["is_leader"]))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("partition %d: %v, want %s", partition, got, want)
		}
	}
	hosted := 0
	for _, r := range entries(p.ask(200, "GET", "/brokers/3/partition-replicas", "")) {
		if r["topic_name"] == "placed" {
			hosted++
		}
	}
	if hosted != 2 {
		t.Errorf("broker 3 has %d replicas of the topic, want 2", hosted)
	}
	if e := p.ask(400, "PATCH", "/topics/placed", `{"partitions_count":3}`); e["error_code"] != 40002.0 {
		t.Errorf("increase to the same: %v", e)
	}
	for _, body := range []string{`"replication_factor":4`, `"partitions_count":0`, `"configs":[{"name":"none","value":"1"}]`, `"configs":[{"name":"retention.ms","value":"soon"}]`} {
		if e := p.ask(400, "POST", "/topics", `{"topic_name":"bad",`+body+`}`); e["error_code"] != 40002.0 {
			t.Errorf("%s: %v", body, e)
		}
	}
	if e := p.ask(400, "POST", "/topics", `{"topic_name":"placed"}`); e["message"] != "Topic 'placed' already exists." {
		t.Errorf("exists: %v", e)
	}
	made := p.ask(201, "POST", "/topics", `{"topic_name":"defaults"}`)
	if made["partitions_count"] != 3.0 || made["replication_factor"] != 3.0 {
		t.Errorf("created by default: %v", made)
	}
	p.ask(204, "DELETE", "/topics/defaults", "")
}

// TestRealConfigs follows the example of the reference: a topic's own value,
// then the default, with their sources and synonyms.
func TestRealConfigs(t *testing.T) {
	p, _ := open3(t)
	p.topic("configured", `,"configs":[{"name":"cleanup.policy","value":"compact"}]`)
	const path = "/topics/configured/configs/cleanup.policy"
	c := p.eventually("the value", path, func(m map[string]any) bool { return m["value"] == "compact" })
	want := `[map[name:cleanup.policy source:DYNAMIC_TOPIC_CONFIG value:compact] map[name:log.cleanup.policy source:DEFAULT_CONFIG value:delete]]`
	if got := fmt.Sprint(c["synonyms"]); got != want || c["source"] != "DYNAMIC_TOPIC_CONFIG" || c["is_default"] != false {
		t.Errorf("got %v, want synonyms %s", c, want)
	}
	p.ask(204, "DELETE", path, "")
	c = p.eventually("the default", path, func(m map[string]any) bool { return m["value"] == "delete" })
	if c["source"] != "DEFAULT_CONFIG" || c["is_default"] != true {
		t.Errorf("got %v", c)
	}
	if e := p.ask(400, "PUT", "/topics/configured/configs/retention.ms", `{"value":"soon"}`); e["error_code"] != 40002.0 {
		t.Errorf("a bad value: %v", e)
	}
	p.topic("configured-too", "")
	both := `{"data":[{"topic_name":"configured","configs":[{"name":"retention.ms","value":"soon"}]},{"topic_name":"configured-too","configs":[{"name":"retention.ms","value":"5000"}]}]}`
	failed := p.ask(207, "POST", "/topics/-/configs:alter", both)
	if got := fmt.Sprint(failed["failures"]); !strings.Contains(got, "error_code:40002") || strings.Contains(got, "configured-too") {
		t.Errorf("failures %s", got)
	}
	p.eventually("the good one", "/topics/configured-too/configs/retention.ms", func(m map[string]any) bool { return m["value"] == "5000" })
	rack := p.ask(200, "GET", "/brokers/1/configs/broker.rack", "")
	if rack["value"] != nil || rack["is_read_only"] != true {
		t.Errorf("a value that is not set: %v", rack)
	}
	lists := p.ask(200, "GET", "/topics/configured/configs/leader.replication.throttled.replicas", "")
	if lists["value"] != "" {
		t.Errorf("an empty list: %v", lists)
	}
}

func TestRealClusterConfigs(t *testing.T) {
	p, _ := open3(t)
	before := len(entries(p.ask(200, "GET", "/broker-configs", ""))) // Kafka sets some itself
	p.ask(204, "PUT", "/broker-configs/log.cleaner.threads", `{"value":"2"}`)
	got := p.eventually("the value", "/broker-configs/log.cleaner.threads", func(m map[string]any) bool { return m["value"] == "2" })
	if got["source"] != "DYNAMIC_DEFAULT_BROKER_CONFIG" || got["config_type"] != "BROKER" {
		t.Errorf("got %v", got)
	}
	if n := len(entries(p.ask(200, "GET", "/broker-configs", ""))); n != before+1 {
		t.Errorf("%d values, %d before", n, before)
	}
	p.ask(204, "DELETE", "/broker-configs/log.cleaner.threads", "")
	p.ask(204, "POST", "/brokers/2/configs:alter", `{"data":[{"name":"log.cleaner.threads","value":"2"}]}`)
	p.eventually("the broker's value", "/brokers/2/configs/log.cleaner.threads", func(m map[string]any) bool {
		return m["value"] == "2" && m["source"] == "DYNAMIC_BROKER_CONFIG"
	})
	p.ask(204, "DELETE", "/brokers/2/configs/log.cleaner.threads", "")
}

// TestRealReassignment holds a move up by throttling it to nothing.
func TestRealReassignment(t *testing.T) {
	p, k := open3(t)
	p.topic("moving", `,"replicas_assignments":{"0":[1]},"configs":[{"name":"leader.replication.throttled.replicas","value":"*"},{"name":"follower.replication.throttled.replicas","value":"*"}]`)
	p.ask(204, "POST", "/broker-configs:alter", `{"data":[{"name":"leader.replication.throttled.rate","value":"1"},{"name":"follower.replication.throttled.rate","value":"1"}]}`)
	t.Cleanup(func() {
		p.call("DELETE", "/v3/clusters/"+p.id+"/broker-configs/leader.replication.throttled.rate", "")
		p.call("DELETE", "/v3/clusters/"+p.id+"/broker-configs/follower.replication.throttled.rate", "")
	})
	client := realClient(t, k)
	for range 20 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "moving", Value: make([]byte, 100_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	move := kadm.AlterPartitionAssignmentsReq{}
	move.Assign("moving", 0, []int32{2})
	done, err := kadm.NewClient(client).AlterPartitionAssignments(t.Context(), move)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	one := p.ask(200, "GET", "/topics/moving/partitions/0/reassignment", "")
	if fmt.Sprint(one["adding_replicas"], one["removing_replicas"]) != "[2] [1]" {
		t.Errorf("got %v", one)
	}
	self := one["metadata"].(map[string]any)
	if !strings.HasSuffix(self["self"].(string), "/topics/moving/partitions/0/reassignment") || !strings.HasSuffix(self["resource_name"].(string), "/partition=0/reassignment") {
		t.Errorf("metadata %v", self)
	}
	for _, path := range []string{"/topics/-/partitions/-/reassignment", "/topics/moving/partitions/-/reassignment"} {
		list := p.ask(200, "GET", path, "")
		if got := entries(list); len(got) != 1 || !strings.HasSuffix(got[0]["metadata"].(map[string]any)["self"].(string), "/topics/moving/partitions/0/reassignments") {
			t.Errorf("%s: %v", path, list)
		}
	}
	cancel := kadm.AlterPartitionAssignmentsReq{}
	cancel.CancelAssign("moving", 0)
	if _, err := kadm.NewClient(client).AlterPartitionAssignments(t.Context(), cancel); err != nil {
		t.Error(err)
	}
}

func realClient(t *testing.T, k *services.KafkaCluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.Bootstrap...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// TestRealLag shows that the end of the log is that of read_committed, and the
// group's type that of its protocol.
func TestRealLag(t *testing.T) {
	p, k := open3(t)
	p.topic("lagging", `,"partitions_count":1`)
	client := realClient(t, k)
	for range 5 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "lagging", Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	txn := realClient(t, k, kgo.TransactionalID("lag-test"))
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := txn.ProduceSync(t.Context(), &kgo.Record{Topic: "lagging", Value: []byte("open")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	member := realClient(t, k, kgo.ConsumerGroup("lag-group"), kgo.ConsumeTopics("lagging"), kgo.ServerSideBalancer(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var read []*kgo.Record
	for len(read) < 5 {
		fetches := member.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		read = append(read, fetches.Records()...)
	}
	if err := member.CommitRecords(ctx, read[1]); err != nil {
		t.Fatal(err)
	}
	g := p.ask(200, "GET", "/consumer-groups/lag-group", "")
	if g["type"] != "CONSUMER" || g["state"] != "STABLE" || g["partition_assignor"] != "uniform" {
		t.Errorf("group %v", g)
	}
	lag := p.ask(200, "GET", "/consumer-groups/lag-group/lags/lagging/partitions/0", "")
	if lag["current_offset"] != 2.0 || lag["log_end_offset"] != 5.0 || lag["lag"] != 3.0 || lag["consumer_id"] == "" {
		t.Errorf("lag %v", lag)
	}
	offsets := p.ask(200, "GET", "/topics/lagging/partitions/0/offset", "")
	if offsets["latest_offset"] != 6.0 {
		t.Errorf("offsets %v", offsets)
	}
	assigned := p.ask(200, "GET", fmt.Sprintf("/consumer-groups/lag-group/consumers/%v/assignments/lagging/partitions/0", lag["consumer_id"]), "")
	if assigned["topic_name"] != "lagging" {
		t.Errorf("assignment %v", assigned)
	}
	if err := txn.EndTransaction(ctx, kgo.TryAbort); err != nil {
		t.Error(err)
	}
}

func TestRealWithoutAuthorizer(t *testing.T) {
	p, _ := open3(t)
	for name, e := range map[string]map[string]any{
		"search": p.ask(400, "GET", "/acls", ""),
		"create": p.ask(400, "POST", "/acls", goodACL),
		"delete": p.ask(400, "DELETE", "/acls?resource_type=ANY&pattern_type=ANY&operation=ANY&permission=ANY", ""),
	} {
		if e["error_code"] != 40002.0 {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestRealDeadBroker(t *testing.T) {
	p, k := open3(t)
	p.topic("surviving", `,"replication_factor":3`)
	if err := k.Pause(2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Resume(2); err != nil {
			t.Error(err)
		}
	})
	for _, path := range []string{"/topics", "/brokers", "/topics/surviving/partitions", "/consumer-groups", "/brokers/3/configs"} {
		start := time.Now()
		w := p.call("GET", "/v3/clusters/"+p.id+path, "")
		if took := time.Since(start); took > 5*time.Second || w.Code != 200 && w.Code != 503 {
			t.Errorf("%s with a frozen broker: %d after %v", path, w.Code, took)
		}
	}
}

func secured(s *services.SecureCluster, user, password string) kafka.Settings {
	return kafka.Settings{
		BootstrapServer: []string{s.SASL}, SecurityProtocol: "SASL_PLAINTEXT",
		SASL: &kafka.SASL{Mechanism: "PLAIN", Username: user, Password: connector.Secret(password)},
	}
}

func TestRealACLs(t *testing.T) {
	s := services.SecureKafka(t)
	p := onReal(t, secured(s, "admin", services.Secret("admin")))
	acl := func(name, pattern, principal string) string {
		return fmt.Sprintf(`{"resource_type":"TOPIC","resource_name":%q,"pattern_type":%q,"principal":"User:%s","host":"*","operation":"READ","permission":"ALLOW"}`, name, pattern, principal)
	}
	p.ask(201, "POST", "/acls", acl("acl-t", "LITERAL", "alice"))
	p.ask(204, "POST", "/acls:batch", `{"data":[`+acl("acl-", "PREFIXED", "bob")+","+acl("*", "LITERAL", "carol")+","+acl("other", "LITERAL", "dave")+`]}`)
	match := p.eventually("the ACLs", "/acls?resource_type=topic&resource_name=acl-t&pattern_type=match", func(m map[string]any) bool { return len(entries(m)) == 3 })
	var who []string
	for _, item := range entries(match) {
		who = append(who, item["principal"].(string))
	}
	if fmt.Sprint(who) != "[User:carol User:bob User:alice]" { // by name: *, acl-, acl-t
		t.Errorf("matched %v", who)
	}
	for _, user := range []string{"alice", "bob", "carol", "dave"} {
		gone := p.ask(200, "DELETE", "/acls?resource_type=ANY&pattern_type=ANY&operation=ANY&permission=ANY&principal=User:"+user, "")
		if len(entries(gone)) != 1 {
			t.Errorf("deleted of %s: %v", user, gone)
		}
	}
	if e := p.ask(400, "POST", "/acls", strings.Replace(acl("x", "LITERAL", "a"), "TOPIC", "CLUSTER", 1)); e["error_code"] != 40002.0 {
		t.Errorf("cluster by another name: %v", e)
	}
}

func TestRealRights(t *testing.T) {
	s := services.SecureKafka(t)
	boss := onReal(t, secured(s, "admin", services.Secret("admin")))
	boss.topic("exp.rights", "")
	boss.topic("hidden", "")
	p := onReal(t, secured(s, "exporter", services.Secret("exporter")))
	for _, item := range entries(p.ask(200, "GET", "/topics", "")) {
		if item["topic_name"] == "hidden" {
			t.Error("a topic is listed that may not be described")
		}
	}
	if ops := fmt.Sprint(p.ask(200, "GET", "/topics/exp.rights?include_authorized_operations=true", "")["authorized_operations"]); !strings.Contains(ops, "WRITE") {
		t.Errorf("operations %s", ops)
	}
	for name, w := range map[string]map[string]any{
		"create": p.ask(403, "POST", "/topics", `{"topic_name":"not-mine"}`),
		"delete": p.ask(403, "DELETE", "/topics/hidden", ""),
		"acls":   p.ask(403, "GET", "/acls", ""),
		"groups": p.ask(403, "GET", "/consumer-groups/not-mine", ""),
	} {
		if w["error_code"] != 40301.0 {
			t.Errorf("%s: %v", name, w)
		}
	}
	stranger := onReal(t, secured(s, "exporter", "wrong"))
	if e := stranger.ask(401, "GET", "/topics", ""); e["error_code"] != 40101.0 {
		t.Errorf("a wrong password: %v", e)
	}
}
