-- Who orders without logging in?
-- One row per customer with guests' orders under their e-mail address (core.identities), those with most first. Such
-- orders count as guests' everywhere else: in revenue, and not in the customer's segment, cohort or lifetime value.
with found as (
    select
        i.customer_id,
        o.order_date,
        o.order_value
    from core.identities as i
    inner join core.orders as o on i.identity_value = o.order_id
    cross join core.clock as c
    where i.identity_type = 'order' and o.order_date <= c.as_of_date
),

own as (
    select
        o.customer_id,
        count(*) as orders
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

final as (
    select
        f.customer_id,
        count(*) as guest_orders,
        sum(f.order_value) as guest_order_value,
        max(f.order_date) as last_guest_order_date,
        coalesce(max(o.orders), 0) as orders,
        max(c.currency) as currency
    from found as f
    cross join core.clock as c
    left join own as o on f.customer_id = o.customer_id
    group by f.customer_id
)

select * from final
order by guest_orders desc, guest_order_value desc, customer_id
