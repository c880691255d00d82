package v1alpha1_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const crdFile = "../../charts/valkeeper/crds/valkeeper.io_valkeys.yaml"

func crd(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	text, err := os.ReadFile(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	out := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// rule is a group of settings in CEL.
func rule(o v1alpha1.OwnedSettings) string {
	var parts []string
	if len(o.Names) > 0 {
		parts = append(parts, "k in ['"+strings.Join(o.Names, "', '")+"']")
	}
	for _, prefix := range o.Prefixes {
		parts = append(parts, "k.startsWith('"+prefix+"')")
	}
	which := strings.Join(parts, " || ")
	if len(o.Except) > 0 {
		if len(parts) > 1 {
			which = "(" + which + ")"
		}
		which += " && !(k in ['" + strings.Join(o.Except, "', '") + "'])"
	}
	return "!self.exists(k, " + which + ")"
}

// The API server and the renderer refuse the same settings for the same
// reasons.
func TestTheSchemaHoldsEveryOwnedSetting(t *testing.T) {
	schema := crd(t).Spec.Versions[0].Schema.OpenAPIV3Schema
	rules := schema.Properties["spec"].Properties["config"].XValidations
	for _, group := range v1alpha1.OperatorOwned {
		found := slices.ContainsFunc(rules, func(r apiextensionsv1.ValidationRule) bool {
			return r.Rule == rule(group) && r.Message == group.Refusal()
		})
		if !found {
			t.Errorf("config_types.go lacks this line, or the CRD is not current (hack/generate.sh):\n"+
				"// +kubebuilder:validation:XValidation:rule=%q,message=%q", rule(group), group.Refusal())
		}
	}
	if len(rules) != len(v1alpha1.OperatorOwned)+1 {
		t.Errorf("config has %d rules, want one for each group and one for the names (%d)", len(rules), len(v1alpha1.OperatorOwned)+1)
	}
}

// What the API server lets a member of a cluster have for its clock is what the renderer does.
func TestTheSchemaHoldsTheClockOfACluster(t *testing.T) {
	rules := crd(t).Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].XValidations
	i := slices.IndexFunc(rules, func(r apiextensionsv1.ValidationRule) bool { return r.Message == v1alpha1.ClusterClockRefusal })
	if i < 0 {
		t.Fatalf("no rule says %q: is the CRD current (hack/generate.sh)?", v1alpha1.ClusterClockRefusal)
	}
	for name, value := range v1alpha1.ClusterClock {
		if part := "(!('" + name + "' in self.config) || self.config['" + name + "'] == '" + string(value) + "')"; !strings.Contains(rules[i].Rule, part) {
			t.Errorf("%s lacks %s", rules[i].Rule, part)
		}
	}
}
