-- How many customers do we have, and how many of them have ordered?
-- One row. `customers` are all that any file names; guests order without being customers, their orders stand beside.
with customers as (
    select count(*) as customers
    from core.customers as c
),

orders as (
    select
        count(distinct o.customer_id) as purchasing_customers,
        count(*) filter (where o.is_guest) as guest_orders
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

final as (
    select
        c.customers,
        o.purchasing_customers,
        c.customers - o.purchasing_customers as customers_without_order,
        o.guest_orders
    from customers as c
    cross join orders as o
)

select * from final
