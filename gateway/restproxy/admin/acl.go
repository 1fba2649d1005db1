package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// formEscape writes a query value as Java's form encoding does.
var formEscape = strings.NewReplacer("%2A", "*", "~", "%7E")

func (r *request) aclLink(acl admin.ACL) wire.Link {
	link := r.at("acls")
	separator := "?"
	for _, p := range [...][2]string{
		{"resource_type", acl.ResourceType}, {"resource_name", acl.ResourceName}, {"pattern_type", acl.PatternType},
		{"principal", acl.Principal}, {"host", acl.Host}, {"operation", acl.Operation}, {"permission", acl.Permission},
	} {
		link += wire.Link(separator + p[0] + "=" + formEscape.Replace(url.QueryEscape(p[1])))
		separator = "&"
	}
	return link
}

func newACL(r *request, acl admin.ACL) ACL {
	return ACL{
		Resource:  Resource{Kind: "KafkaAcl", Metadata: Metadata{Self: r.aclLink(acl)}},
		ClusterID: r.id, ResourceType: acl.ResourceType, ResourceName: acl.ResourceName, PatternType: acl.PatternType,
		Principal: acl.Principal, Host: acl.Host, Operation: acl.Operation, Permission: acl.Permission,
	}
}

func newACLs(r *request, acls []admin.ACL) []ACL {
	out := []ACL{}
	for _, acl := range acls {
		out = append(out, newACL(r, acl))
	}
	return out
}

// aclFilter reads the seven query parameters. Values of enums may be written
// in any case. unspecified is what an absent enum means: ANY, or "" where it
// must be given.
func aclFilter(query url.Values, mustBeGiven bool) (admin.ACL, error) {
	f := admin.ACL{ResourceName: query.Get("resource_name"), Principal: query.Get("principal"), Host: query.Get("host")}
	for _, e := range []struct {
		field *string
		name  string
		kind  string
		valid []string
	}{
		{&f.ResourceType, "resource_type", "ResourceType", admin.ACLResources()},
		{&f.PatternType, "pattern_type", "PatternType", admin.ACLPatterns()},
		{&f.Operation, "operation", "Operation", admin.ACLOperations()},
		{&f.Permission, "permission", "Permission", admin.ACLPermissions()},
	} {
		text := query.Get(e.name)
		*e.field = strings.ToUpper(text)
		switch {
		case text == "" && mustBeGiven, *e.field == "UNKNOWN" && mustBeGiven:
			return f, wire.Errorf(http.StatusBadRequest, "%s cannot be unspecified or UNKNOWN", e.name)
		case text == "":
			*e.field = "ANY"
		case !slices.Contains(e.valid, *e.field):
			return f, wire.Errorf(http.StatusNotFound, "The valid values for %s do not include '%s'", e.kind, text)
		case *e.field == "UNKNOWN":
			return f, wire.Errorf(http.StatusBadRequest, "%s cannot be UNKNOWN", e.name)
		}
	}
	return f, nil
}

func (a *api) searchACLs(r *request) (reply, error) {
	filter, err := aclFilter(r.URL.Query(), false)
	if err != nil {
		return reply{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	acls, err := c.ACLs(r.Context(), filter)
	if err != nil {
		return reply{}, err
	}
	return found(list("KafkaAcl", r.aclLink(filter), newACLs(r, acls)))
}

func (a *api) deleteACLs(r *request) (reply, error) {
	filter, err := aclFilter(r.URL.Query(), true)
	if err != nil {
		return reply{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	acls, err := c.DeleteACLs(r.Context(), filter)
	if err != nil {
		return reply{}, err
	}
	return found(DeletedACLs{Data: newACLs(r, acls)})
}

// acl checks that the body names one entry, not a pattern of several.
func (b *CreateACLRequest) acl() (admin.ACL, error) {
	var acl admin.ACL
	for _, text := range []struct {
		from *wire.Text
		to   *string
		name string
	}{
		{b.ResourceName, &acl.ResourceName, "resource_name"}, {b.Principal, &acl.Principal, "principal"}, {b.Host, &acl.Host, "host"},
	} {
		if text.from == nil {
			return acl, wire.Missing(text.name)
		}
		*text.to = string(*text.from)
	}
	for _, e := range []struct {
		from    *string
		to      *string
		name    string
		valid   []string
		refused []string
	}{
		{b.ResourceType, &acl.ResourceType, "resource_type", admin.ACLResources(), []string{"ANY", "UNKNOWN"}},
		{b.PatternType, &acl.PatternType, "pattern_type", admin.ACLPatterns(), []string{"ANY", "UNKNOWN", "MATCH"}},
		{b.Operation, &acl.Operation, "operation", admin.ACLOperations(), []string{"ANY", "UNKNOWN"}},
		{b.Permission, &acl.Permission, "permission", admin.ACLPermissions(), []string{"ANY", "UNKNOWN"}},
	} {
		switch {
		case e.from == nil:
			return acl, wire.Missing(e.name)
		case !slices.Contains(e.valid, *e.from):
			return acl, wire.Errorf(http.StatusBadRequest, "Bad Request: %s must be one of %s", e.name, strings.Join(e.valid, ", "))
		case slices.Contains(e.refused, *e.from):
			return acl, wire.Errorf(http.StatusBadRequest, "%s cannot be %s", e.name, *e.from)
		}
		*e.to = *e.from
	}
	return acl, nil
}

func (a *api) createACL(r *request) (reply, error) {
	var body CreateACLRequest
	if err := wire.DecodeBody(r.Request, &body, nullInput); err != nil {
		return reply{}, err
	}
	acl, err := body.acl()
	if err != nil {
		return reply{}, err
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	if err := c.CreateACLs(r.Context(), []admin.ACL{acl}); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, location: r.aclLink(acl)}, nil
}

func (a *api) createACLs(r *request) (reply, error) {
	var body CreateACLsRequest
	if err := wire.DecodeBody(r.Request, &body, nullInput); err != nil {
		return reply{}, err
	}
	if body.Data == nil {
		return reply{}, nullInput
	}
	var acls []admin.ACL
	for _, one := range *body.Data {
		acl, err := one.acl()
		if err != nil {
			return reply{}, err
		}
		acls = append(acls, acl)
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	return noContent, c.CreateACLs(r.Context(), acls)
}
