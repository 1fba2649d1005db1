package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector/kafka/admin"
)

// refusal is a call that fails, and how. An empty message is not compared: the
// original's own differ between releases.
type refusal struct {
	name, method, path, body string
	status, code             int
	message                  string
}

func (p *proxy) refuse(t *testing.T, table []refusal) {
	for _, tc := range table {
		t.Run(tc.name, func(t *testing.T) {
			w := p.call(tc.method, tc.path, tc.body)
			var got struct {
				Code    int    `json:"error_code"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%d %q: %v", w.Code, w.Body, err)
			}
			if w.Code != tc.status || got.Code != tc.code || got.Message == "" || tc.message != "" && got.Message != tc.message {
				t.Errorf("got %d/%d %q, want %d/%d %q", w.Code, got.Code, got.Message, tc.status, tc.code, tc.message)
			}
		})
	}
}

const (
	unknownTopic = "This server does not host this topic-partition."
	notFound     = "HTTP 404 Not Found"
	nullData     = "Payload error. Null input provided. Data is required."
)

func TestCommonErrors(t *testing.T) {
	p := newProxy(t)
	p.refuse(t, []refusal{
		{"unknown path", "GET", "/v3/nothing", "", 404, 404, notFound},
		{"unknown verb", "POST", "./topics:burn", "", 404, 404, notFound},
		{"wrong method", "PUT", "./topics", "", 405, 405, "HTTP 405 Method Not Allowed"},
		{"unknown cluster", "GET", "/v3/clusters/x", "", 404, 404, "Cluster x cannot be found."},
		{"unknown cluster of topics", "GET", "/v3/clusters/x/topics", "", 404, 404, "Cluster x cannot be found."},
		{"unknown cluster of groups", "GET", "/v3/clusters/x/consumer-groups", "", 404, 404, "Cluster x could not be found."},
		{"unknown broker", "GET", "./brokers/9", "", 404, 404, ""},
		{"broker that is no number", "GET", "./brokers/one", "", 404, 404, notFound},
		{"broker beyond 32 bits", "GET", "./brokers/4294967296", "", 404, 404, notFound},
		{"replicas of an unknown broker", "GET", "./brokers/9/partition-replicas", "", 404, 404, ""},
	})
	for _, tc := range []struct {
		name, method, path, header, value string
		status                            int
		body                              string
	}{
		{"Accept that cannot be met", "GET", "/v3/clusters", "Accept", "text/plain", 406, `{"error_code":406,"message":"HTTP 406 Not Acceptable: the Accept header must allow application/json"}`},
		{"v2 Accept that cannot be met", "GET", "/", "Accept", "text/plain", 406, `{"error_code":406,"message":"HTTP 406 Not Acceptable: the Accept header must allow application/json or application/vnd.kafka.v2+json"}`},
		{"Content-Type", "POST", "./topics", "Content-Type", "text/plain", 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type: the Content-Type must be application/json"}`},
		{"v2 Content-Type", "POST", "/", "Content-Type", "text/plain", 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type: the Content-Type must be application/vnd.kafka.v2+json or application/json"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := p.call(tc.method, tc.path, "", tc.header, tc.value)
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTopicErrors(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.refuse(t, []refusal{
		{"no body", "POST", "./topics", "", 422, 42206, "Payload error. Request body is empty. Data is required."},
		{"empty object", "POST", "./topics", "{}", 400, 400, ""},
		{"broken JSON", "POST", "./topics", `{"topic_name":`, 400, 400, ""},
		{"wrong type", "POST", "./topics", `{"topic_name":"n","partitions_count":"many"}`, 400, 400, ""},
		{"unknown field", "POST", "./topics", `{"topic_name":"n","x":1}`, 422, 422, "Unrecognized field: x"},
		{"illegal name", "POST", "./topics", `{"topic_name":"a b"}`, 422, 42206, "Payload error. Invalid topic name."},
		{"empty name", "POST", "./topics", `{"topic_name":""}`, 422, 42206, "Payload error. Invalid topic name."},
		{"exists", "POST", "./topics", `{"topic_name":"t"}`, 400, 40002, ""},
		{"impossible replication factor", "POST", "./topics", `{"topic_name":"n","replication_factor":4}`, 400, 40002, ""},
		{"impossible partitions", "POST", "./topics", `{"topic_name":"n","partitions_count":0}`, 400, 40002, ""},
		{"replication factor out of range", "POST", "./topics", `{"topic_name":"n","replication_factor":32768}`, 400, 400, ""},
		{"partitions out of range", "POST", "./topics", `{"topic_name":"n","partitions_count":4294967296}`, 400, 400, ""},
		{"assignment to no number", "POST", "./topics", `{"topic_name":"n","replicas_assignments":{"a":[1]}}`, 400, 400, ""},
		{"config without a name", "POST", "./topics", `{"topic_name":"n","configs":[{"value":"1"}]}`, 400, 400, ""},
		{"create on an unknown cluster", "POST", "/v3/clusters/x/topics", `{"topic_name":"n"}`, 404, 404, ""},

		{"unknown topic", "GET", "./topics/none", "", 404, 40403, unknownTopic},
		{"topic whose name cannot be", "GET", "./topics/a%20b", "", 404, 40403, unknownTopic},
		{"delete an unknown topic", "DELETE", "./topics/none", "", 404, 40403, unknownTopic},
		{"increase without a body", "PATCH", "./topics/t", "", 422, 42206, "Payload error. Request body is empty. Partitions_count is required."},
		{"increase without a count", "PATCH", "./topics/t", "{}", 400, 400, ""},
		{"increase to the same", "PATCH", "./topics/t", `{"partitions_count":2}`, 400, 40002, ""},
		{"increase to fewer", "PATCH", "./topics/t", `{"partitions_count":1}`, 400, 40002, ""},
		{"increase an unknown topic", "PATCH", "./topics/none", `{"partitions_count":2}`, 404, 40403, unknownTopic},

		{"partitions of an unknown topic", "GET", "./topics/none/partitions", "", 404, 40403, unknownTopic},
		{"unknown partition", "GET", "./topics/t/partitions/9", "", 404, 404, notFound},
		{"partition that is no number", "GET", "./topics/t/partitions/x", "", 404, 404, notFound},
		{"negative partition", "GET", "./topics/t/partitions/-1", "", 404, 404, notFound},
		{"offset type", "GET", "./topics/t/partitions/0/offset?offset_type=foobar", "", 400, 400, "offset_type:foobar is invalid"},
		{"offsets of an unknown partition", "GET", "./topics/t/partitions/9/offset", "", 404, 404, notFound},
		{"replicas of an unknown partition", "GET", "./topics/t/partitions/9/replicas", "", 404, 404, notFound},
		{"replica on a broker that has none", "GET", "./topics/t/partitions/0/replicas/2", "", 404, 404, notFound},
		{"no reassignment", "GET", "./topics/t/partitions/0/reassignment", "", 404, 404, notFound},
		{"records before nothing", "DELETE", "./topics/t/partitions/0/records", "", 400, 400, ""},
		{"records beyond the end", "DELETE", "./topics/t/partitions/0/records?before_offset=9", "", 400, 40002, ""},
	})
	if w := p.call("POST", "./topics", `{"topic_name":"t"}`); !strings.Contains(w.Body.String(), "already exists") {
		t.Errorf("a topic that exists: %s", w.Body)
	}
}

func TestConfigErrors(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	table := []refusal{
		{"topic: unknown topic", "GET", "./topics/none/configs", "", 404, 40403, unknownTopic},
		{"topic: unknown name", "GET", "./topics/t/configs/none", "", 404, 404, ""},
		{"topic: set without a body", "PUT", "./topics/t/configs/retention.ms", "", 422, 42206, nullData},
		{"topic: set an unknown name", "PUT", "./topics/t/configs/none", `{"value":"1"}`, 404, 404, ""},
		{"topic: set on an unknown topic", "PUT", "./topics/none/configs/retention.ms", `{"value":"1"}`, 404, 40403, unknownTopic},
		{"topic: reset an unknown name", "DELETE", "./topics/t/configs/none", "", 404, 404, ""},
		{"topic: alter without a body", "POST", "./topics/t/configs:alter", "", 422, 42206, nullData},
		{"topic: alter without data", "POST", "./topics/t/configs:alter", "{}", 400, 400, ""},
		{"topic: alter an unknown name among others", "POST", "./topics/t/configs:alter", `{"data":[{"name":"retention.ms","value":"5"},{"name":"none","value":"1"}]}`, 404, 404, ""},
		{"topic: alter by a lower-case operation", "POST", "./topics/t/configs:alter", `{"data":[{"name":"retention.ms","operation":"delete"}]}`, 400, 400, ""},
		{"topics: alter an unknown topic", "POST", "./topics/-/configs:alter", `{"data":[{"topic_name":"t","configs":[{"name":"retention.ms","value":"5"}]},{"topic_name":"none","configs":[{"name":"retention.ms","value":"5"}]}]}`, 404, 40403, unknownTopic},
		{"topics: alter an unknown name", "POST", "./topics/-/configs:alter", `{"data":[{"topic_name":"t","configs":[{"name":"none","value":"5"}]}]}`, 404, 404, ""},
		{"topics: alter without a body", "POST", "./topics/-/configs:alter", "", 422, 42206, nullData},
		{"topics: alter on an unknown cluster", "POST", "/v3/clusters/x/topics/-/configs:alter", `{"data":[]}`, 404, 404, ""},
		{"broker: unknown broker", "GET", "./brokers/9/configs", "", 404, 404, ""},
		{"broker: unknown name", "GET", "./brokers/1/configs/none", "", 404, 404, ""},
		{"broker: set an unknown name", "PUT", "./brokers/1/configs/none", `{"value":"1"}`, 404, 404, ""},
		{"broker: reset on an unknown broker", "DELETE", "./brokers/9/configs/x", "", 404, 404, ""},
		{"broker: alter an unknown name", "POST", "./brokers/1/configs:alter", `{"data":[{"name":"none","value":"1"}]}`, 404, 404, ""},
		{"broker: alter without a body", "POST", "./brokers/1/configs:alter", "", 422, 42206, nullData},
		{"cluster: not set", "GET", "./broker-configs/log.retention.ms", "", 404, 404, ""},
		{"cluster: reset what is not set", "DELETE", "./broker-configs/log.retention.ms", "", 404, 404, ""},
		{"cluster: alter without a body", "POST", "./broker-configs:alter", "", 422, 42206, nullData},
		{"cluster: another type of config", "GET", "./topic-configs", "", 404, 404, notFound},
	}
	p.refuse(t, table)
	w := p.must(200, "GET", "./topics/t/configs/retention.ms", "")
	if !strings.Contains(w.Body.String(), `"is_default":true`) {
		t.Errorf("a refused alteration changed something: %s", w.Body)
	}
	for _, body := range []string{`{"data":[]}`, `{"data":[{"topic_name":"t","configs":[]}]}`} {
		p.must(204, "POST", "./topics/-/configs:alter", body)
	}
	p.must(204, "POST", "./topics/t/configs:alter", `{"data":[]}`)
}

func TestAlterTopicsTellsWhatFailed(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.create(topicU)
	body := `{"data":[{"topic_name":"t","configs":[{"name":"retention.ms","value":"soon"}]},{"topic_name":"u","configs":[{"name":"retention.ms","value":"5"}]}]}`
	fault := p.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Resource: "t", Err: kerr.InvalidConfig, Count: -1})
	defer fault.Remove()
	w := p.must(207, "POST", "./topics/-/configs:alter", body)
	if !strings.HasPrefix(w.Body.String(), `{"failures":[{"topic_name":"t","error_code":40002,"message":"`) || strings.Contains(w.Body.String(), `"u"`) {
		t.Errorf("got %s", w.Body)
	}
	p.refuse(t, []refusal{{"alone", "PUT", "./topics/t/configs/retention.ms", `{"value":"soon"}`, 400, 40002, ""}})
	if w := p.must(200, "GET", "./topics/u/configs/retention.ms", ""); !strings.Contains(w.Body.String(), `"value":"5"`) {
		t.Errorf("the good one was not altered: %s", w.Body)
	}
}

const goodACL = `{"resource_type":"TOPIC","resource_name":"t","pattern_type":"LITERAL","principal":"User:a","host":"*","operation":"READ","permission":"ALLOW"}`

func TestACLErrors(t *testing.T) {
	p := newProxy(t)
	with := func(old, new string) string { return strings.Replace(goodACL, old, new, 1) }
	p.refuse(t, []refusal{
		{"no body", "POST", "./acls", "", 422, 42206, ""},
		{"missing field", "POST", "./acls", with(`"host":"*",`, ""), 400, 400, ""},
		{"unknown field", "POST", "./acls", with("{", `{"x":1,`), 422, 422, "Unrecognized field: x"},
		{"lower case", "POST", "./acls", with("TOPIC", "topic"), 400, 400, ""},
		{"resource ANY", "POST", "./acls", with("TOPIC", "ANY"), 400, 400, "resource_type cannot be ANY"},
		{"pattern ANY", "POST", "./acls", with("LITERAL", "ANY"), 400, 400, "pattern_type cannot be ANY"},
		{"pattern MATCH", "POST", "./acls", with("LITERAL", "MATCH"), 400, 400, "pattern_type cannot be MATCH"},
		{"operation ANY", "POST", "./acls", with("READ", "ANY"), 400, 400, "operation cannot be ANY"},
		{"permission ANY", "POST", "./acls", with("ALLOW", "ANY"), 400, 400, "permission cannot be ANY"},
		{"operation UNKNOWN", "POST", "./acls", with("READ", "UNKNOWN"), 400, 400, ""},
		{"cluster by another name", "POST", "./acls", with("TOPIC", "CLUSTER"), 400, 40002, ""},
		{"batch without a body", "POST", "./acls:batch", "", 422, 42206, ""},
		{"batch without data", "POST", "./acls:batch", "{}", 422, 42206, ""},
		{"batch with a bad one", "POST", "./acls:batch", `{"data":[` + goodACL + "," + with("READ", "ANY") + `]}`, 400, 400, "operation cannot be ANY"},
		{"search UNKNOWN resource", "GET", "./acls?resource_type=unknown", "", 400, 400, "resource_type cannot be UNKNOWN"},
		{"search UNKNOWN pattern", "GET", "./acls?pattern_type=UNKNOWN", "", 400, 400, "pattern_type cannot be UNKNOWN"},
		{"search UNKNOWN operation", "GET", "./acls?operation=UNKNOWN", "", 400, 400, "operation cannot be UNKNOWN"},
		{"search UNKNOWN permission", "GET", "./acls?permission=UNKNOWN", "", 400, 400, "permission cannot be UNKNOWN"},
		{"search a teapot", "GET", "./acls?resource_type=teapot", "", 404, 404, "The valid values for ResourceType do not include 'teapot'"},
		{"delete all by accident", "DELETE", "./acls", "", 400, 400, "resource_type cannot be unspecified or UNKNOWN"},
		{"delete without a pattern", "DELETE", "./acls?resource_type=ANY", "", 400, 400, "pattern_type cannot be unspecified or UNKNOWN"},
		{"delete without an operation", "DELETE", "./acls?resource_type=ANY&pattern_type=ANY", "", 400, 400, "operation cannot be unspecified or UNKNOWN"},
		{"delete without a permission", "DELETE", "./acls?resource_type=ANY&pattern_type=ANY&operation=ANY", "", 400, 400, "permission cannot be unspecified or UNKNOWN"},
	})
	if w := p.must(200, "GET", "./acls", ""); !strings.Contains(w.Body.String(), `"data":[]`) {
		t.Errorf("a refused call created something: %s", w.Body)
	}
}

func TestGroupErrors(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	member := p.join(t)
	p.refuse(t, []refusal{
		{"unknown group", "GET", "./consumer-groups/none", "", 404, 404, "Consumer Group none could not be found."},
		{"consumers of an unknown group", "GET", "./consumer-groups/none/consumers", "", 404, 404, ""},
		{"lags of an unknown group", "GET", "./consumer-groups/none/lags", "", 404, 404, ""},
		{"lag summary of an unknown group", "GET", "./consumer-groups/none/lag-summary", "", 404, 404, ""},
		{"unknown consumer", "GET", "./consumer-groups/g/consumers/none", "", 404, 404, ""},
		{"assignments of an unknown consumer", "GET", "./consumer-groups/g/consumers/none/assignments", "", 404, 404, ""},
		{"unknown assignment", "GET", "./consumer-groups/g/consumers/" + member + "/assignments/t/partitions/9", "", 404, 404, notFound},
		{"lag of an unknown partition", "GET", "./consumer-groups/g/lags/t/partitions/9", "", 404, 404, notFound},
		{"lag of no number", "GET", "./consumer-groups/g/lags/t/partitions/x", "", 404, 404, notFound},
		{"delete an unknown group", "DELETE", "./consumer-groups/none", "", 404, 404, ""},
	})
}

func TestV2Errors(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.refuse(t, []refusal{
		{"unknown topic", "GET", "/topics/none", "", 404, 40403, unknownTopic},
		{"partitions of an unknown topic", "GET", "/topics/none/partitions", "", 404, 40403, unknownTopic},
		{"partition of an unknown topic", "GET", "/topics/none/partitions/0", "", 404, 40403, unknownTopic},
		{"unknown partition", "GET", "/topics/t/partitions/9", "", 404, 40402, "Partition not found."},
		{"partition that is no number", "GET", "/topics/t/partitions/x", "", 404, 404, notFound},
		{"offsets of an unknown partition", "GET", "/topics/t/partitions/9/offsets", "", 404, 40402, "Partition not found."},
		{"offsets of an unknown topic", "GET", "/topics/none/partitions/0/offsets", "", 404, 40403, unknownTopic},
	})
	if w := p.call("GET", "/topics/none", ""); w.Header().Get("Content-Type") != "application/vnd.kafka.v2+json" {
		t.Errorf("an error of v2 as %s", w.Header().Get("Content-Type"))
	}
}

func TestKafkaErrors(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	for _, tc := range []struct {
		name         string
		key          kmsg.Key
		err          *kerr.Error
		status, code int
	}{
		{"denied", kmsg.DeleteTopics, kerr.TopicAuthorizationFailed, 403, 40301},
		{"deletion disabled", kmsg.DeleteTopics, kerr.TopicDeletionDisabled, 400, 40002},
		{"quota", kmsg.DeleteTopics, kerr.ThrottlingQuotaExceeded, 429, 42901},
		{"timed out", kmsg.DeleteTopics, kerr.RequestTimedOut, 503, 50302},
		{"a fault of Kafka's", kmsg.DeleteTopics, kerr.UnknownServerError, 500, 50002},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fault := p.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Err: tc.err, Count: -1})
			defer fault.Remove()
			p.refuse(t, []refusal{{tc.name, "DELETE", "./topics/t", "", tc.status, tc.code, ""}})
		})
	}
}

func TestGroupsThatMayNotBeSeen(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.join(t)
	fault := p.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups, kmsg.ConsumerGroupDescribe}, Err: kerr.GroupAuthorizationFailed, Count: -1})
	defer fault.Remove()
	if w := p.must(200, "GET", "./consumer-groups", ""); !strings.Contains(w.Body.String(), `"data":[]`) {
		t.Errorf("got %s", w.Body)
	}
	p.refuse(t, []refusal{{"one group", "GET", "./consumer-groups/g", "", 403, 40301, ""}})
}

func TestDeadCluster(t *testing.T) {
	p := newProxy(t)
	p.create(topicT)
	p.kafka.Close()
	start := time.Now()
	p.refuse(t, []refusal{
		{"v3", "GET", "./topics", "", 503, 50302, ""},
		{"v2", "GET", "/topics", "", 503, 50302, ""},
		{"create", "POST", "./topics", `{"topic_name":"n"}`, 503, 50302, ""},
	})
	if took := time.Since(start); took > 3*admin.Timeout+time.Second {
		t.Errorf("three calls took %v", took)
	}
}

func TestSeveralClusters(t *testing.T) {
	_, one := newCluster(t, "lkc-1")
	second, two := newCluster(t, "lkc-2", kfake.SeedTopics(1, "only-in-two"))
	p := &proxy{t: t, handler: serve(t, Deps{Clusters: Fixed{one, two}})}
	if w := p.must(200, "GET", "/v3/clusters", ""); strings.Count(w.Body.String(), `"kind":"KafkaCluster"`) != 2 {
		t.Errorf("got %s", w.Body)
	}
	p.must(200, "GET", "/v3/clusters/lkc-2/topics/only-in-two", "")
	p.must(404, "GET", "/v3/clusters/lkc-1/topics/only-in-two", "")
	if w := p.must(200, "GET", "/topics", ""); w.Body.String() != "[]" {
		t.Errorf("v2 is not on the first cluster: %s", w.Body)
	}
	_, again := newCluster(t, "lkc-1")
	if w := (&proxy{t: t, handler: serve(t, Deps{Clusters: Fixed{one, two, again}})}).must(200, "GET", "/v3/clusters", ""); strings.Count(w.Body.String(), `"kind":"KafkaCluster"`) != 2 {
		t.Errorf("two entries of one cluster: %s", w.Body)
	}
	second.Close()
	p.must(200, "GET", "/v3/clusters/lkc-1/topics", "")
	if w := p.must(200, "GET", "/v3/clusters", ""); strings.Count(w.Body.String(), `"kind":"KafkaCluster"`) != 1 {
		t.Errorf("with one cluster dead: %s", w.Body)
	}
}

func TestPrefixSlashAuthorityAndPage(t *testing.T) {
	_, one := newCluster(t, clusterID)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	deps := Deps{Clusters: Fixed{one}, Authority: "mds.example", Page: page}
	p := &proxy{t: t, handler: serve(t, deps)}
	plain := p.must(200, "GET", "./brokers/1", "").Body.String()
	if slash := p.must(200, "GET", "./brokers/1/", "").Body.String(); slash != plain {
		t.Errorf("with a slash: %s", slash)
	}
	if !strings.Contains(plain, `"crn://mds.example/kafka=lkc-1/broker=1"`) {
		t.Errorf("no authority: %s", plain)
	}
	prefixed := p.must(200, "GET", "/kafka/v3/clusters/lkc-1/brokers/1", "").Body.String()
	if !strings.Contains(prefixed, `"self":"http://proxy:8082/kafka/v3/clusters/lkc-1/brokers/1"`) {
		t.Errorf("with the prefix: %s", prefixed)
	}
	for accept, want := range map[string]string{
		"text/html,application/xhtml+xml,*/*;q=0.8": "<html>", "*/*": "{}", "": "{}", "application/json": "{}", "application/vnd.kafka.v2+json": "{}",
	} {
		if w := p.call("GET", "/", "", "Accept", accept); w.Code != 200 || w.Body.String() != want {
			t.Errorf("Accept %q: %d %s", accept, w.Code, w.Body)
		}
	}
	if w := p.call("HEAD", "./brokers/1", ""); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
}
