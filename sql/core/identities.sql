-- One row per e-mail address or device that can be told to belong to one customer: how guests' orders and
-- anonymous visits come to a name. An e-mail address is that of a sales line without a customer, and exactly
-- one customer has it. A device belongs to the only customer whom its events ever named (a purchase names the
-- customer of its sales line); where none was named, to the owner that its source delivers, if that is a known
-- customer. Where several fit there is no row: a guess would mix people. The link stands here and not in the
-- monthly tables, because one more login can take it away everywhere.
with customers as (
    select
        c.customer_id,
        c.email
    from core.customers as c
    where c.email is not null
),

guests as (
    select distinct s.customer_email
    from landed.sales as s
    where s.customer_id is null and s.customer_email is not null
),

users as (
    select
        e.device_id,
        min(e.customer_id) as customer_id,
        max(e.customer_id) as other_customer_id
    from core.events as e
    where e.device_id is not null and e.customer_id is not null
    group by e.device_id
),

devices as (
    select
        d.device_id,
        c.customer_id as owner_id
    from core.devices as d
    left join core.customers as c on d.customer_id = c.customer_id
),

of_emails as (
    select
        g.customer_email as identity_value,
        min(c.customer_id) as customer_id
    from guests as g
    inner join customers as c on g.customer_email = c.email
    group by g.customer_email
    having count(*) = 1
),

of_devices as (
    select
        d.device_id as identity_value,
        case when u.device_id is null then d.owner_id else u.customer_id end as customer_id
    from devices as d
    left join users as u on d.device_id = u.device_id
    where u.device_id is null or u.customer_id = u.other_customer_id
),

final as (
    select
        'email' as identity_type,
        e.identity_value,
        e.customer_id
    from of_emails as e
    union all
    select
        'device' as identity_type,
        d.identity_value,
        d.customer_id
    from of_devices as d
    where d.customer_id is not null
)

select * from final
