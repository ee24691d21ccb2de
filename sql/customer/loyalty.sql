-- One row per customer: how loyal by the number of orders, observed and declared ones together.
-- `previous_declared` are orders before the data begin, as the source declares them
-- (core.customers.previous_purchases); where none are declared the observed ones count alone. Prospect: no
-- order; New: one; Loyal: more than `core.parameters.loyal_above_orders`; Returning: what lies between.
with orders as (
    select
        o.customer_id,
        count(*) as orders,
        min(o.order_date) as first_order_date,
        max(o.order_date) as last_order_date
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

customers as (
    select
        m.customer_id,
        m.previous_purchases,
        m.subscription_status,
        coalesce(o.orders, 0) as orders_observed,
        coalesce(o.orders, 0) + coalesce(m.previous_purchases, 0) as total_orders,
        o.first_order_date,
        o.last_order_date
    from core.customers as m
    left join orders as o on m.customer_id = o.customer_id
),

final as (
    select
        m.customer_id,
        case
            when m.total_orders > p.loyal_above_orders then 'Loyal'
            when m.total_orders > 1 then 'Returning'
            when m.total_orders = 1 then 'New'
            else 'Prospect'
        end as loyalty_segment,
        m.orders_observed,
        m.previous_purchases as previous_declared,
        m.total_orders,
        m.subscription_status,
        m.first_order_date,
        m.last_order_date
    from customers as m
    cross join core.parameters as p
)

select * from final
