-- One row per guest's order or device that can be told to belong to one customer: how guests' orders and
-- anonymous visits come to a name. A guest's order is that of the only customer who has its e-mail address; the
-- address itself stays in core.customers. A device belongs to the only customer whom its events ever named (a
-- purchase names the customer of its sales line); where none was named, to the owner that its source delivers, if
-- that is a known customer. Where several fit there is no row: a guess would mix people. The link stands here and
-- not in the monthly tables, because one more login can take it away everywhere.
with addresses as (
    select
        c.email,
        min(c.customer_id) as customer_id
    from core.customers as c
    where c.email is not null
    group by c.email
    having count(*) = 1
),

sales as (
    select
        coalesce(s.order_id, s.sale_id) as order_id,
        s.customer_email
    from landed.sales as s
    where s.customer_id is null and s.customer_email is not null
),

guests as (
    select
        s.order_id,
        min(s.customer_email) as customer_email
    from sales as s
    inner join core.orders as o on s.order_id = o.order_id
    where o.customer_id is null
    group by s.order_id
    having min(s.customer_email) = max(s.customer_email)
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

of_orders as (
    select
        g.order_id as identity_value,
        a.customer_id
    from guests as g
    inner join addresses as a on g.customer_email = a.email
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
        'order' as identity_type,
        o.identity_value,
        o.customer_id
    from of_orders as o
    union all
    select
        'device' as identity_type,
        d.identity_value,
        d.customer_id
    from of_devices as d
    where d.customer_id is not null
)

select * from final
