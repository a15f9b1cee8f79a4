// Who is where. Every router imports its networks from here.
import { nets } from 'netmill';

export const office = nets('10.20.0.0/16', '2001:db8:20::/48');
export const admins = nets('10.20.7.0/24');
export const guests = nets('10.30.0.0/16');
export const servers = nets('203.0.113.0/24');

export const upstream = '198.51.100.1';
export const mailRelay = '198.51.100.5';
