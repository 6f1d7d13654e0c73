# The test of the cloud_hv plugin that goes into the lab to be run on the real program, which run.sh sources: sets own_test to the
# newest that there is, or to nothing and own_test_missing to why, own_test_way to the way out. Wants here root build.

plugin=$build/plugins/cloud_hv.so
program=qarax_plugin_cloud_hv_test
own_test= own_test_missing=
# Release builds have no tests.
for folder in "$build" "$root/build/dev" "$root/build/test"; do
  folder+=/plugins/hypervisors/cloud_hypervisor
  if [ -x "$folder/$program" ] && [ "$folder/$program" -nt "$own_test" ]; then own_test=$folder/$program; fi
done
if [ -z "$own_test" ]; then
  own_test_missing="CLOUD_HYPERVISOR is given, and the plugin's own test, $program, is neither in $build nor in build/dev or build/test"
  own_test_way="cmake --preset test && cmake --build build/test --target $program"
# Where nothing has changed since the test was linked a plugin that was linked later is of the same sources.
elif [ "$own_test" -ot "$plugin" ] &&
  [ -n "$(find "$root/plugin-sdk" "$root/plugins/hypervisors/cloud_hypervisor" \( -name '*.[ch]' -o -name '*.[ch]pp' \) -newer "$own_test" -print -quit)" ]; then
  own_test_missing="$own_test is older than $plugin and than its sources: what it says isn't said of that plugin"
  # A changed source may be none of the test's: then there is nothing to build.
  own_test_way="cmake --build ${own_test%/plugins/*/*/*} --target $program && touch $own_test"
  own_test=
fi
