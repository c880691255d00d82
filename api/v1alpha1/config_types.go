package v1alpha1

// ConfigValue is the value of one setting, as it stands in valkey.conf after
// the setting's name. It is one line.
//
// +kubebuilder:validation:MaxLength=512
// +kubebuilder:validation:Pattern=`^[^\x00-\x1f\x7f]*$`
type ConfigValue string

// Config is free settings of valkey.conf.
//
// +kubebuilder:validation:MaxProperties=100
type Config map[string]ConfigValue
