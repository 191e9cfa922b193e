package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Tenants returns the tenants whose users may log in, for [facts.Tenants]: the configured tenant
// itself or, where that is one of many, a name for several of them, those of allowed. There allowed
// must be set: a server that forgot it would let in the users of every customer of the provider.
// [facts.AnyTenant] says that this is meant.
func (in *Inputs) Tenants(tenant string, allowed []string, tenantField, allowedField Field, many ...string) []string {
	several := slices.Contains(many, tenant)
	switch {
	case tenant == "": // reported already
	case several && len(allowed) == 0:
		in.add(allowedField, in.missingTenants(tenant, tenantField, allowedField))
	case !several && len(allowed) > 0:
		in.problemf(allowedField, "is for the %s %s; %s has users of one tenant only", tenantField.Name,
			strings.Join(many, " and "), in.title)
	case several && slices.Contains(allowed, facts.AnyTenant):
		in.options.events.Observe(context.Background(), observe.Event{
			Kind: observe.Notice, Provider: in.title, Message: "users of every tenant of the provider may log in",
		})
		return []string{facts.AnyTenant}
	case several:
		return allowed
	}
	return []string{tenant}
}

func (in *Inputs) missingTenants(tenant string, tenantField, allowedField Field) string {
	advice := "Pass"
	if allowedField.Env != "" {
		advice = "Set " + allowedField.Env + " environment variable or pass"
	}
	return fmt.Sprintf("%s %s is required with the %s %q, which stands for many. %s %s in config: the tenants whose users "+
		"may log in, or %s for all.", in.title, allowedField.Name, tenantField.Name, tenant, advice, allowedField.Name, facts.AnyTenant)
}
