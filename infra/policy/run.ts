#!/usr/bin/env node
// For `pulumi --policy-pack`: by an absolute path, as it is begun in the program's folder.
import { PolicyPack } from '@pulumi/policy';
import { RULES } from './rules.ts';

// The SDK reads the pack's name and version from the folder it stands in.
process.chdir(import.meta.dirname);

new PolicyPack('miyabi-fleet', { policies: [...RULES] });
