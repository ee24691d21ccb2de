-- How many customers come back and buy again?
-- One row: customers with two or more orders (orders, not lines) among those with any, and how many have ordered
-- once, twice, ... Two orders on one day are two orders; orders of guests cannot be told apart and are left out.
with orders as (
    select
        o.customer_id,
        count(*) as orders
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

counts as (
    select
        count(*) filter (where o.orders >= 2) as customers_with_2plus,
        count(*) as purchasing_customers,
        count(*) filter (where o.orders = 1) as customers_with_1,
        count(*) filter (where o.orders = 2) as customers_with_2,
        count(*) filter (where o.orders = 3) as customers_with_3,
        count(*) filter (where o.orders = 4) as customers_with_4,
        count(*) filter (where o.orders >= 5) as customers_with_5plus
    from orders as o
),

final as (
    select
        c.customers_with_2plus,
        c.purchasing_customers,
        c.customers_with_2plus::double precision / nullif(c.purchasing_customers, 0) as repeat_rate,
        c.customers_with_1,
        c.customers_with_2,
        c.customers_with_3,
        c.customers_with_4,
        c.customers_with_5plus
    from counts as c
)

select * from final
